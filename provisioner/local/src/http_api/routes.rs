//! Finds the route of a request.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

pub struct Routes(Vec<Route>);

pub struct Route {
    pub key: String,
    pub function: String,
    /// Without a method any will do.
    method: Option<String>,
    /// `None` is `$default`.
    segments: Option<Vec<Segment>>,
}

/// A part of a path between two slashes. The order is that in which routes are looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Text(String),
    /// `{name}`: one segment.
    Name(String),
    /// `{name+}`: the rest of the path.
    Rest(String),
}

/// The route of a request, with the values for the names in its path.
pub struct Found<'a> {
    pub route: &'a Route,
    pub parameters: BTreeMap<String, String>,
}

pub const DEFAULT: &str = "$default";

impl Routes {
    pub fn parse<'a>(routes: impl Iterator<Item = (&'a String, &'a String)>) -> Result<Routes> {
        let mut parsed: Vec<Route> = Vec::new();
        for (key, function) in routes {
            let route = Route::parse(key, function)?;
            let same = parsed.iter().find(|other| other.method == route.method && other.shape() == route.shape());
            if let Some(same) = same {
                bail!("`{key}` and `{}` are for the same requests", same.key);
            }
            parsed.push(route);
        }
        // Full paths come first, then greedy ones, then the default. A text comes before a name, and a method before
        // none.
        parsed.sort_by_key(|route| {
            let is_greedy = route.segments.as_ref().is_none_or(|segments| segments.iter().any(Segment::is_rest));
            (route.segments.is_none(), is_greedy, route.shape(), Reverse(route.method.is_some()))
        });
        Ok(Routes(parsed))
    }

    /// Finds the route for a method and a path whose segments are decoded.
    pub fn find(&self, method: &str, path: &[String]) -> Option<Found<'_>> {
        let fits = |route: &Route| route.method.as_ref().is_none_or(|allowed| allowed == method);
        let found = |route| Some(Found { route, parameters: Route::parameters(route, path)? });
        self.0.iter().filter(|route| fits(route)).find_map(found)
    }
}

impl Route {
    fn parse(key: &str, function: &str) -> Result<Route> {
        let (key, function) = (key.to_owned(), function.to_owned());
        if key == DEFAULT {
            return Ok(Route { key, function, method: None, segments: None });
        }
        let (method, path) = key.split_once(' ').with_context(|| format!("`{key}` is not a route"))?;
        let is_method = !method.is_empty() && method.chars().all(|letter| letter.is_ascii_uppercase());
        let rest = path.strip_prefix('/').filter(|_| is_method).with_context(|| format!("`{key}` is not a route"))?;
        let mut segments: Vec<Segment> = Vec::new();
        for segment in rest.split('/').filter(|_| !rest.is_empty()) {
            ensure!(!segments.last().is_some_and(Segment::is_rest), "`{key}` goes on after the rest of the path");
            segments.push(Segment::parse(segment).with_context(|| format!("`{key}` is not a route"))?);
        }
        let method = Some(method.to_owned()).filter(|method| method != "ANY");
        Ok(Route { method, segments: Some(segments), key, function })
    }

    /// The path without the names in it.
    fn shape(&self) -> Option<Vec<Segment>> {
        let shape = |segment: &Segment| match segment {
            Segment::Text(text) => Segment::Text(text.clone()),
            Segment::Name(_) => Segment::Name(String::new()),
            Segment::Rest(_) => Segment::Rest(String::new()),
        };
        self.segments.as_ref().map(|segments| segments.iter().map(shape).collect())
    }

    /// The values of the names, or `None` if the path does not fit.
    fn parameters(&self, path: &[String]) -> Option<BTreeMap<String, String>> {
        let mut parameters = BTreeMap::new();
        let Some(segments) = &self.segments else { return Some(parameters) };
        let mut rest = path;
        for segment in segments {
            match segment {
                Segment::Rest(name) => {
                    let all = rest.join("/");
                    parameters.insert(name.clone(), all.clone());
                    return (!all.is_empty()).then_some(parameters);
                }
                Segment::Name(name) => {
                    let (value, others) = rest.split_first().filter(|(value, _)| !value.is_empty())?;
                    parameters.insert(name.clone(), value.clone());
                    rest = others;
                }
                Segment::Text(text) => rest = rest.split_first().filter(|(value, _)| *value == text)?.1,
            }
        }
        rest.is_empty().then_some(parameters)
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Segment> {
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || "_-.".contains(it));
        match text.strip_prefix('{') {
            Some(rest) => match rest.strip_suffix('}')? {
                name if is_name(name) => Some(Segment::Name(name.to_owned())),
                name => name.strip_suffix('+').filter(|name| is_name(name)).map(|name| Segment::Rest(name.to_owned())),
            },
            None => (!text.is_empty() && !text.contains(['{', '}', '*', '?'])).then(|| Segment::Text(text.to_owned())),
        }
    }

    fn is_rest(&self) -> bool {
        matches!(self, Segment::Rest(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(keys: &[&str]) -> Result<Routes> {
        let named: Vec<(String, String)> = keys.iter().map(|key| ((*key).to_owned(), "f".to_owned())).collect();
        Routes::parse(named.iter().map(|(key, function)| (key, function)))
    }

    fn path(text: &str) -> Vec<String> {
        let rest = text.strip_prefix('/').unwrap();
        rest.split('/').filter(|_| !rest.is_empty()).map(str::to_owned).collect()
    }

    /// The table in AWS's guide, and what the guide says in words.
    #[test]
    fn the_most_specific_route_is_found() {
        let keys = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"];
        let guide = routes(&keys).unwrap();
        let find =
            |routes: &Routes, method: &str, of: &str| routes.find(method, &path(of)).map(|it| it.route.key.clone());
        for (method, of, key) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
            ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
            ("POST", "/test/5", "ANY /{proxy+}"),
            ("POST", "/pets/dog/1", "ANY /{proxy+}"),
            ("GET", "/", "$default"),
            ("GET", "/pets/", "ANY /{proxy+}"),
        ] {
            assert_eq!(find(&guide, method, of).as_deref(), Some(key), "{method} {of}");
        }
        let own = routes(&["ANY /item/{id}", "GET /item/{proxy+}", "GET /item", "ANY /item", "POST /{a}/{b}"]).unwrap();
        for (method, of, key) in [
            ("GET", "/item/1", Some("ANY /item/{id}")),
            ("GET", "/item/1/2", Some("GET /item/{proxy+}")),
            ("POST", "/item/1/2", None),
            ("POST", "/item/1", Some("ANY /item/{id}")),
            ("GET", "/item", Some("GET /item")),
            ("HEAD", "/item", Some("ANY /item")),
            ("HEAD", "/item/1/2", None),
            ("GET", "/item/", None),
            ("GET", "/Item", None),
            ("GET", "/", None),
        ] {
            assert_eq!(find(&own, method, of).as_deref(), key, "{method} {of}");
        }
        let found = own.find("GET", &path("/item/1/2")).unwrap();
        assert_eq!(found.parameters, BTreeMap::from([("proxy".to_owned(), "1/2".to_owned())]));
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for key in ["/a", "get /a", "GET a", "GET /a/*", "GET /{a+}/b", "GET /{}", "GET /{a", "GET /a//b", "$other", ""]
        {
            assert!(routes(&[key]).is_err(), "{key}");
        }
        let error = routes(&["GET /a/{b}", "GET /a/{c}"]).err().unwrap().to_string();
        assert_eq!(error, "`GET /a/{c}` and `GET /a/{b}` are for the same requests");
    }
}
