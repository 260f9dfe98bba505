//! The routes of the stack's HTTP API: the words of a stack file, as API Gateway writes them.

use super::{Function, Http};
use crate::sections::words::Name;

/// The route that takes what no other route takes.
pub(crate) const DEFAULT: &str = "$default";

/// The route keys of a function: `GET /item/{id}`, `ANY /item/{proxy+}`, `$default`.
pub(crate) fn keys(http: &Http) -> Vec<String> {
    let methods: Vec<&str> = match http.methods.is_empty() {
        true => vec!["ANY"],
        false => http.methods.iter().map(String::as_str).collect(),
    };
    match http.paths.is_empty() {
        true if http.methods.is_empty() => vec![DEFAULT.to_owned()],
        true => methods.iter().flat_map(|method| [format!("{method} /"), format!("{method} /{{proxy+}}")]).collect(),
        false => {
            let paths: Vec<String> = http.paths.iter().flat_map(|path| below(path)).collect();
            methods.iter().flat_map(|method| paths.iter().map(move |path| format!("{method} {path}"))).collect()
        }
    }
}

/// All routes, each with its function, in the order of the stack file.
pub(crate) fn all<'a>(
    functions: impl Iterator<Item = (&'a Name, &'a Function)>,
) -> impl Iterator<Item = (String, &'a Name)> {
    functions.flat_map(|(name, function)| {
        let keys = function.http.as_ref().map(keys).unwrap_or_default();
        keys.into_iter().map(move |key| (key, name))
    })
}

/// A path of a stack file as paths of routes: `/item/*` is the path `/item` and everything below it.
fn below(path: &str) -> Vec<String> {
    match path.strip_suffix("/*") {
        Some("") => vec!["/".to_owned(), "/{proxy+}".to_owned()],
        Some(above) => vec![above.to_owned(), format!("{above}/{{proxy+}}")],
        None => vec![path.to_owned()],
    }
}

/// The key with the same name for every variable, so that two routes that take the same requests are equal.
pub(crate) fn without_names(key: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for letter in key.chars() {
        match letter {
            '{' => {
                inside = true;
                plain.push('{');
            }
            '}' => {
                inside = false;
                plain.push('}');
            }
            '+' if inside => plain.push('+'),
            _ if inside => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Why a path cannot be one, with a hint. `None` if it can.
pub(crate) fn problem(path: &str) -> Option<(String, &'static str)> {
    const FORMS: &str = "exact, as in `/log`; `{name}` for one segment; a last `/*` for everything below";
    if !path.starts_with('/') {
        return Some((format!("`{path}` does not begin with `/`"), FORMS));
    }
    if path.len() > LONGEST {
        return Some((format!("a path of {} characters, more than {LONGEST}", path.len()), FORMS));
    }
    let whole = path.strip_suffix("/*").unwrap_or(path);
    let mut names = Vec::new();
    for segment in whole.split('/').skip(1) {
        let variable = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match variable {
            Some(name) if !is_name(name) => return Some((format!("`{segment}` in `{path}` names no variable"), FORMS)),
            Some(name) if names.contains(&name) => return Some((format!("`{segment}` is in `{path}` twice"), FORMS)),
            Some(name) => names.push(name),
            None if segment.contains(['*', '?', '{', '}']) => {
                return Some((format!("`{segment}` in `{path}` is a pattern, which an HTTP API does not have"), FORMS));
            }
            None if segment.is_empty() && whole != "/" && !whole.is_empty() => {
                return Some((format!("`{path}` has an empty segment"), FORMS));
            }
            None if !segment
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@%".contains(letter)) =>
            {
                return Some((format!("`{path}` has a character that no path of a request has"), FORMS));
            }
            None => {}
        }
    }
    None
}

/// The methods that a route may have. A route without a method takes all of them.
pub(crate) const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
/// The most routes of one HTTP API (API Gateway developer guide, quotas).
pub(crate) const MOST: usize = 300;
const LONGEST: usize = 512;

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(paths: &[&str], methods: &[&str]) -> Http {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Http { paths: words(paths), methods: words(methods) }
    }

    #[test]
    fn words_of_a_stack_file_become_route_keys() {
        let told: Vec<String> = [
            http(&[], &[]),
            http(&[], &["GET"]),
            http(&["/log"], &[]),
            http(&["/item/*"], &["GET", "POST"]),
            http(&["/item/{id}", "/*"], &["PUT"]),
        ]
        .iter()
        .map(|http| keys(http).join(", "))
        .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        $default
        GET /, GET /{proxy+}
        ANY /log
        GET /item, GET /item/{proxy+}, POST /item, POST /item/{proxy+}
        PUT /item/{id}, PUT /, PUT /{proxy+}
        ");
        assert_eq!(without_names("GET /a/{one}/b/{rest+}"), without_names("GET /a/{x}/b/{proxy+}"));
        assert_ne!(without_names("GET /a/{one}"), without_names("GET /a/{one+}"));
    }

    #[test]
    fn a_path_is_exact_or_has_variables() {
        for right in ["/", "/log", "/item/{id}", "/item/*", "/*", "/a/{b}/c/{d}/*", "/sale_api/send", "/a%20b"] {
            assert_eq!(problem(right), None, "{right}");
        }
        for wrong in
            ["log", "", "/item*", "/a/*/b", "/a?", "/{}", "/{a}/{a}", "/a//b", "/{a b}", "/a b", "/{proxy+}", "/*/"]
        {
            assert!(problem(wrong).is_some(), "{wrong}");
        }
    }
}
