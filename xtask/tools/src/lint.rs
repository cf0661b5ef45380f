//! What the document must hold to beyond being valid: each rule is one that generated code or a client relies on.

use crate::document::{Document, METHODS, Side, is_scalar};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CALLERS: [&str; 5] = ["public", "user", "agent", "any", "operator"];
const EXTENSIONS: [&str; 16] = [
    "x-caller",
    "x-min-role",
    "x-requires",
    "x-price",
    "x-audit",
    "x-raw-body",
    "x-max-body-bytes",
    "x-planned",
    "x-lookup",
    "x-rate",
    "x-optional-auth",
    "x-pages",
    "x-repeat",
    "x-aliases",
    "x-refuses",
    "x-max-age",
];
const SECRET_NAMES: [&str; 6] = ["value", "password", "api_key", "code", "passphrase", "secret"];

/// Every broken rule as `file:line: what`.
pub(crate) fn lint(document: &Document) -> Vec<String> {
    let mut findings = Findings { document, list: Vec::new() };
    operations(document, &mut findings);
    schemas(document, &mut findings);
    findings.list
}

struct Findings<'a> {
    document: &'a Document,
    list: Vec<String>,
}

impl Findings<'_> {
    fn say(&mut self, pointer: &str, what: impl std::fmt::Display) {
        self.list.push(format!("{}: {what}", self.document.place(pointer)));
    }
    fn demand(&mut self, holds: bool, pointer: &str, what: impl std::fmt::Display) {
        if !holds {
            self.say(pointer, what);
        }
    }
}

fn operations(document: &Document, findings: &mut Findings<'_>) {
    let mut ids = BTreeSet::new();
    let empty = Vec::new();
    let tags = document.bundle.get("tags").and_then(Value::as_array).unwrap_or(&empty);
    for (at, _, method, item, operation) in document.operations() {
        let text = |key: &str| operation.get(key).and_then(Value::as_str);
        let id = text("operationId").unwrap_or_default();
        findings.demand(ids.insert(id.to_owned()), &at, format!("operation id `{id}` is missing or used twice"));
        let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default();
        let known = tags.iter().find(|t| t.get("name").and_then(Value::as_str) == Some(tag));
        let prefix = known.and_then(|t| t.get("x-prefix")).and_then(Value::as_str);
        match prefix {
            None => findings.say(&at, format!("tag `{tag}` is not in keepward.yaml")),
            Some(prefix) => findings.demand(
                id.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_')),
                &at,
                format!("`{id}` does not begin with `{prefix}_`"),
            ),
        }
        let caller = text("x-caller").unwrap_or_default();
        findings.demand(CALLERS.contains(&caller), &at, format!("x-caller is one of {CALLERS:?}"));
        let open =
            operation.get("security").and_then(Value::as_array).is_some_and(|s| s.is_empty() || s.contains(&json!({})));
        findings.demand(open == (caller == "public"), &at, "x-caller and security contradict each other");
        for key in operation.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| key.starts_with("x-")) {
            findings.demand(EXTENSIONS.contains(&key.as_str()), &at, format!("`{key}` means nothing here"));
        }
        let sentence = text("summary").unwrap_or_default();
        findings.demand(sentence.ends_with('.'), &at, "a summary is one sentence");
        let writes = method != "get";
        let no_audit = ["auth_refresh"];
        findings.demand(
            !writes || text("x-audit").is_some() || no_audit.contains(&id),
            &at,
            "what changes something has x-audit",
        );
        if operation.get("x-planned").is_none() {
            findings.demand(text("description").is_some(), &at, "what works has a description");
            let body = operation.pointer("/requestBody/content/application~1json");
            findings.demand(body.is_none_or(|b| b.get("example").is_some()), &at, "what works has an example request");
        }
        bodies(document, findings, &at, operation);
        for (key, _) in item.as_object().into_iter().flatten() {
            findings.demand(
                METHODS.contains(&key.as_str()) || key == "parameters",
                &at,
                format!("`{key}` in a path item"),
            );
        }
    }
}

fn bodies(document: &Document, findings: &mut Findings<'_>, at: &str, operation: &Value) {
    let named = |media: &Value| media.pointer("/schema/$ref").is_some();
    for (kind, media) in operation.pointer("/requestBody/content").and_then(Value::as_object).into_iter().flatten() {
        findings.demand(named(media), at, format!("the {kind} body refers to a named schema"));
    }
    for (status, response) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
        let below = format!("{at}/responses/{status}");
        let Ok(response) = document.resolve(response) else {
            findings.say(&below, "dangling $ref");
            continue;
        };
        let content = response.get("content").and_then(Value::as_object);
        if status.starts_with('2') {
            findings.demand((status == "204") == content.is_none(), &below, "an answer but 204 has a JSON body");
            let media = content.and_then(|c| c.get("application/json"));
            findings.demand(
                content.is_none() || media.is_some_and(named),
                &below,
                "the answer refers to a named schema",
            );
            let planned = operation.get("x-planned").is_some();
            findings.demand(
                planned || media.is_none_or(|m| m.get("example").is_some()),
                &below,
                "what works has an example answer",
            );
        }
    }
}

fn schemas(document: &Document, findings: &mut Findings<'_>) {
    let requests = document.reachable(Side::Request);
    let answers = document.reachable(Side::Answer);
    for (name, schema) in document.schemas() {
        let at = format!("/components/schemas/{name}");
        let (asked, answered) = (requests.contains(name), answers.contains(name));
        findings.demand(
            !(asked && answered) || is_scalar(schema),
            &at,
            format!("`{name}` is in requests and in answers"),
        );
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let below = format!("{at}/properties/{field}");
            let is_list = property.get("type").and_then(Value::as_str) == Some("array");
            let may_be_absent = property.get("x-may-be-absent").is_some();
            if answered && (is_list || ["metadata", "conditions", "description"].contains(&field.as_str())) {
                findings.demand(
                    required.contains(&field.as_str()) || may_be_absent,
                    &below,
                    format!("`{field}` is always in answers"),
                );
            }
            findings.demand(property.get("enum").is_none(), &below, "an enum is a named schema");
            secrecy(findings, &below, field, property);
        }
    }
}

fn secrecy(findings: &mut Findings<'_>, at: &str, field: &str, property: &Value) {
    let named = SECRET_NAMES.contains(&field) || field.ends_with("_token") || field.ends_with("_password");
    let silent =
        property.get("format").and_then(Value::as_str) == Some("password") || property.get("x-not-secret").is_some();
    let is_text = property.get("type").is_some_and(|t| t == "string" || *t == json!(["string", "null"]));
    findings.demand(!named || !is_text || silent, at, format!("`{field}` needs format: password"));
    let codes = property.pointer("/items/format").and_then(Value::as_str) == Some("password");
    findings.demand(field != "recovery_codes" || codes, at, "`recovery_codes` needs items of format: password");
}
