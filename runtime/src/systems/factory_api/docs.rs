//! The role `factory-docs`: the reference of the factory's API, as OpenAPI and as a page. The page loads nothing from
//! elsewhere: it is made here, once, from the document.

use std::fmt::Write;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use hyper::StatusCode;
use serde_json::Value;

use super::page::escaped;
use crate::config::{Environment, Serve};
use crate::http::answer;
use crate::telemetry;

pub fn serve(environment: &Environment) -> anyhow::Result<(Serve, Router)> {
    let config = Serve::read(environment, "factory-docs")?;
    telemetry::init(&config.telemetry);
    let page = render(&serde_json::from_str(DOCUMENT)?);
    let router = Router::new()
        .route("/", get(async move || Html(page)))
        .route("/openapi.json", get(async || answer::ready_made(StatusCode::OK, DOCUMENT)))
        .fallback(answer::nothing_here);
    Ok((config, router))
}

const DOCUMENT: &str = include_str!("openapi.json");
const PAGE: &str = include_str!("docs.html");

/// The page of a document. It shows what this document has: paths, parameters, bodies, answers, callbacks, schemas.
fn render(document: &Value) -> String {
    let mut html = String::new();
    let info = &document["info"];
    let _ = write!(
        html,
        "<h1>{} <small>{}</small></h1>\n<p>{}</p>\n",
        text(&info["title"]),
        text(&info["version"]),
        prose(info)
    );
    let server = document["servers"][0]["url"].as_str().unwrap_or_default();
    for (path, methods) in entries(&document["paths"]) {
        for (method, operation) in entries(methods) {
            operations(&mut html, method, &format!("{server}{path}"), operation);
        }
    }
    html.push_str("<h2>Schemas</h2>\n");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let _ = write!(html, "<h3 id=\"{0}\">{0}</h3>\n<p>{1}</p>\n", escaped(name), prose(schema));
        fields(&mut html, schema, "");
    }
    PAGE.replace("{content}", &html)
}

fn operations(html: &mut String, method: &str, path: &str, operation: &Value) {
    let method = method.to_ascii_uppercase();
    let _ = write!(
        html,
        "<h2><code>{} {}</code></h2>\n<p><b>{}</b>. {}</p>\n",
        escaped(&method),
        escaped(path),
        text(&operation["summary"]),
        prose(operation)
    );
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let _ = writeln!(
            html,
            "<p>{}: <code>{}</code>. {}</p>",
            text(&parameter["in"]),
            text(&parameter["name"]),
            prose(parameter)
        );
    }
    if let Some(schema) = schema(&operation["requestBody"]) {
        let _ = writeln!(html, "<p>Body: {schema}</p>");
    }
    html.push_str("<table><thead><tr><th>status</th><th>meaning</th><th>body</th></tr></thead><tbody>\n");
    for (status, answer) in entries(&operation["responses"]) {
        let schema = schema(answer).unwrap_or_default();
        let _ = writeln!(html, "<tr><td>{}</td><td>{}</td><td>{schema}</td></tr>", escaped(status), prose(answer));
    }
    html.push_str("</tbody></table>\n");
    for (_, callback) in entries(&operation["callbacks"]) {
        for (url, methods) in entries(callback) {
            for (method, operation) in entries(methods) {
                html.push_str("<p>Then the factory calls:</p>\n");
                operations(html, method, url, operation);
            }
        }
    }
}

/// The fields of a schema, each with the names that it is below.
fn fields(html: &mut String, schema: &Value, above: &str) {
    if above.is_empty() {
        html.push_str(
            "<table><thead><tr><th>field</th><th>type</th><th>meaning</th><th>example</th></tr></thead><tbody>\n",
        );
    }
    for (name, field) in entries(&schema["properties"]) {
        let name = format!("{above}{name}");
        let _ = writeln!(
            html,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&name),
            text(&field["type"]),
            prose(field),
            text(&field["example"])
        );
        fields(html, field, &format!("{name}."));
    }
    if above.is_empty() {
        html.push_str("</tbody></table>\n");
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

/// A description. What stands between backticks in it is code.
fn prose(of: &Value) -> String {
    let mut html = String::new();
    for (place, part) in text(&of["description"]).split('`').enumerate() {
        match place % 2 {
            0 => html.push_str(part),
            _ => {
                let _ = write!(html, "<code>{part}</code>");
            }
        }
    }
    html
}

/// A link to the schema of a body.
fn schema(of: &Value) -> Option<String> {
    let reference = of["content"]["application/json"]["schema"]["$ref"].as_str()?;
    let name = escaped(reference.rsplit('/').next()?);
    Some(format!("<a href=\"#{name}\">{name}</a>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_all_of_the_document_and_loads_nothing() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let page = render(&document);
        for (name, _) in entries(&document["components"]["schemas"]["Manufacture"]["properties"]) {
            assert!(page.contains(&format!("<code>{name}</code>")), "{name}");
        }
        for shown in
            ["POST /api/manufactures", "{$request.body#/CallbackUrl}", "MessageAttributeProductCnt", "201", "reqestor"]
        {
            assert!(page.contains(shown), "{shown}");
        }
        for loaded in ["<script", "<link", "src=", "@import", "url("] {
            assert!(!page.contains(loaded), "{loaded}");
        }
        assert!(!page.contains("{content}"));
    }
}
