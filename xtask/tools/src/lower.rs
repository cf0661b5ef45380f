//! From OpenAPI 3.1 to what the generators understand, in memory only.
//!
//! typify gets JSON schemas without the bounds that `convert.rs` checks; progenitor gets a 3.0 document in which every
//! component is a name (the types are `keepward_api`'s) and only parameters and bodies are left to say. A keyword that is
//! not listed here is an error that names its place, never dropped in silence.

use crate::document::{Document, Side, escape};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Prefix of the stand-in for an enum in an answer, which becomes `Open<..>`.
pub(crate) const OPEN: &str = "Open";

/// The schemas for typify, by name, and the hand-written types that stand for some of them.
pub(crate) struct Lowered {
    pub(crate) schemas: BTreeMap<String, Value>,
    /// Schema name to Rust path within `keepward_api`, and whether it is a text that parses.
    pub(crate) natives: BTreeMap<String, String>,
    /// (schema, property) pairs in which absent and null differ.
    pub(crate) patches: Vec<(String, String)>,
}

pub(crate) fn schemas(document: &Document) -> Result<Lowered> {
    let answers = document.reachable(Side::Answer);
    let mut lowered = Lowered { schemas: BTreeMap::new(), natives: BTreeMap::new(), patches: Vec::new() };
    for (name, kind) in [("Timestamp", "Timestamp"), ("SecretText", "SecretText")] {
        lowered.schemas.insert(name.to_owned(), json!({"type": "string"}));
        lowered.natives.insert(name.to_owned(), format!("crate::{kind}"));
    }
    for (name, schema) in document.schemas() {
        let at = format!("/components/schemas/{name}");
        if let Some(kind) = schema.get("x-rust-type").and_then(Value::as_str) {
            lowered.natives.insert(name.clone(), format!("crate::{kind}"));
            lowered.schemas.insert(name.clone(), json!({"type": "string"}));
            continue;
        }
        let is_answer = answers.contains(name) && schema.get("enum").is_none();
        let context = Lowering { document, open_enums: is_answer };
        lowered.schemas.insert(name.clone(), context.schema(schema, &at)?);
        if schema.get("enum").is_some() {
            let open = format!("{OPEN}{name}");
            lowered.schemas.insert(open.clone(), json!({"type": "string"}));
            lowered.natives.insert(open, format!("crate::Open<crate::types::{name}>"));
        }
        if schema.get("x-merge-patch").is_some() {
            let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            lowered.patches.extend(fields.map(|(field, _)| (name.clone(), field.clone())));
        }
    }
    Ok(lowered)
}

struct Lowering<'a> {
    document: &'a Document,
    open_enums: bool,
}

impl Lowering<'_> {
    fn schema(&self, schema: &Value, at: &str) -> Result<Value> {
        let place = || self.document.place(at);
        let Value::Object(object) = schema else { bail!("{}: a schema is a map", place()) };
        let mut out = Map::new();
        for (key, value) in object {
            match key.as_str() {
                "$ref" => {
                    let name = value.as_str().and_then(|r| r.strip_prefix("#/components/schemas/"));
                    let name = name.with_context(|| format!("{}: $ref {value} leaves components/schemas", place()))?;
                    let target = self
                        .document
                        .schemas()
                        .get(name)
                        .with_context(|| format!("{}: dangling $ref {name}", place()))?;
                    let open = self.open_enums && target.get("enum").is_some();
                    let prefix = if open { OPEN } else { "" };
                    out.insert("$ref".to_owned(), json!(format!("#/definitions/{prefix}{name}")));
                }
                "type" => {
                    if !matches!(value, Value::String(_)) && value.get(1).and_then(Value::as_str) != Some("null") {
                        bail!("{}: `type` is one name, or a name and null", place());
                    }
                    out.insert(key.clone(), value.clone());
                }
                "format" => match value.as_str() {
                    Some("int32" | "int64" | "uuid") => drop(out.insert(key.clone(), value.clone())),
                    Some("date-time" | "password") => {}
                    Some("email" | "uri" | "decimal") => {}
                    _ => bail!("{}: format {value} is not known to the generator", place()),
                },
                "properties" => {
                    let fields = value.as_object().context("properties")?;
                    let fields = fields.iter().map(|(field, property)| {
                        let below = format!("{at}/properties/{}", escape(field));
                        Ok((field.clone(), self.schema(property, &below)?))
                    });
                    out.insert(key.clone(), Value::Object(fields.collect::<Result<_>>()?));
                }
                "items" => drop(out.insert(key.clone(), self.schema(value, &format!("{at}/items"))?)),
                "additionalProperties" => {
                    let lowered =
                        if value.is_boolean() { value.clone() } else { self.schema(value, &format!("{at}/{key}"))? };
                    out.insert(key.clone(), lowered);
                }
                "anyOf" => {
                    let options = value.as_array().context("anyOf")?;
                    let lowered = options.iter().map(|o| self.schema(o, at)).collect::<Result<Vec<_>>>()?;
                    out.insert(key.clone(), json!(lowered));
                }
                "required" | "description" | "enum" => drop(out.insert(key.clone(), value.clone())),
                // Said to people and checked by hand-written code, not by types.
                "minLength" | "maxLength" | "pattern" | "minimum" | "maximum" | "minItems" | "maxItems" | "example"
                | "x-merge-patch" | "x-may-be-absent" | "x-not-secret" => {}
                _ => bail!("{}: keyword `{key}` is not known to the generator", place()),
            }
        }
        if object.contains_key("x-may-be-absent")
            && let Some(Value::String(kind)) = out.get("type").cloned()
        {
            // Absent and empty differ.
            out.insert("type".to_owned(), json!([kind, "null"]));
        }
        Ok(self.native(object, out))
    }

    /// Texts with a format of ours become a name; beside it, `null` is left to `Option`.
    fn native(&self, object: &Map<String, Value>, mut out: Map<String, Value>) -> Value {
        let name = match object.get("format").and_then(Value::as_str) {
            Some("date-time") => Some("Timestamp"),
            Some("password") => Some("SecretText"),
            _ => None,
        };
        if let Some(name) = name {
            out.shift_remove("type");
            out.insert("$ref".to_owned(), json!(format!("#/definitions/{name}")));
        }
        if out.contains_key("$ref") {
            // A description beside $ref would make typify wrap the name in a new type.
            out.retain(|key, _| key == "$ref");
            return Value::Object(out);
        }
        let optional_text = out.get("type").is_some_and(|t| t.get(1).is_some_and(|n| n == "null"));
        let kind = out.get("type").and_then(|t| t.get(0)).and_then(Value::as_str).unwrap_or_default().to_owned();
        if optional_text && !["array", "object"].contains(&kind.as_str()) {
            out.insert("type".to_owned(), json!(kind));
        }
        if let Some(reference) = out.get("anyOf").and_then(|a| a.get(0)).and_then(|a| a.get("$ref")).cloned() {
            return json!({ "$ref": reference });
        }
        Value::Object(out)
    }
}

/// The 3.0 document for progenitor.
pub(crate) fn for_progenitor(document: &Document, lowered: &Lowered) -> Result<Value> {
    let mut components = Map::new();
    for (name, schema) in &lowered.schemas {
        let text = lowered.natives.contains_key(name) || schema.get("enum").is_some();
        components.insert(name.clone(), json!({"type": if text { "string" } else { "object" }}));
    }
    let mut paths = Map::new();
    for (at, path, method, item, operation) in document.operations() {
        let lowered = one(document, &at, item, operation).with_context(|| document.place(&at))?;
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        entry.as_object_mut().context("path")?.insert(method.to_owned(), lowered);
    }
    Ok(json!({
        "openapi": "3.0.3",
        "info": {
            "title": document.bundle.pointer("/info/title"),
            "version": document.bundle.pointer("/info/version"),
        },
        "paths": paths,
        "components": {"schemas": components},
    }))
}

fn one(document: &Document, at: &str, item: &Value, operation: &Value) -> Result<Value> {
    let mut out = json!({
        "operationId": operation.get("operationId"),
        "summary": operation.get("summary"),
    });
    if let Some(text) = operation.get("description") {
        out["description"] = text.clone();
    }
    let mut parameters = Vec::new();
    for parameter in parameters_of(item, operation) {
        let parameter = document.resolve(parameter)?;
        let schema = parameter.get("schema").context("a parameter has a schema")?;
        let mut lowered = json!({
            "name": parameter.get("name"), "in": parameter.get("in"),
            "required": parameter.get("required").cloned().unwrap_or(json!(false)),
            "schema": parameter_schema(schema).with_context(|| document.place(at))?,
        });
        if let Some(text) = parameter.get("description") {
            lowered["description"] = text.clone();
        }
        parameters.push(lowered);
    }
    out["parameters"] = json!(parameters);
    if operation.get("x-raw-body").is_some() {
        out["requestBody"] = json!({"required": true, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}});
    } else if let Some(body) = operation.get("requestBody") {
        // Of two media types the form is for other clients; progenitor can say one.
        let schema = body.pointer("/content/application~1json/schema").context("a body has JSON")?;
        out["requestBody"] =
            json!({"required": body.get("required"), "content": {"application/json": {"schema": schema}}});
    }
    // Errors are read by the SDK itself, whatever their type: progenitor then hands over the whole answer.
    let mut responses = Map::new();
    for (status, response) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
        if status.starts_with('2') {
            let response = document.resolve(response)?;
            let mut lowered = json!({"description": response.get("description")});
            if let Some(schema) = response.pointer("/content/application~1json/schema") {
                lowered["content"] = json!({"application/json": {"schema": schema}});
            }
            responses.insert(status.clone(), lowered);
        }
    }
    if responses.is_empty() {
        responses.insert("204".to_owned(), json!({"description": "Never."}));
    }
    out["responses"] = Value::Object(responses);
    Ok(out)
}

pub(crate) fn parameters_of<'a>(item: &'a Value, operation: &'a Value) -> impl Iterator<Item = &'a Value> {
    let lists = [item.get("parameters"), operation.get("parameters")];
    lists.into_iter().flatten().filter_map(Value::as_array).flatten()
}

/// A parameter is a named text, or a plain scalar.
fn parameter_schema(schema: &Value) -> Result<Value> {
    if schema.get("$ref").is_some() {
        return Ok(schema.clone());
    }
    let mut out = Map::new();
    for (key, value) in schema.as_object().context("schema")? {
        match key.as_str() {
            "type" if value.is_string() => drop(out.insert(key.clone(), value.clone())),
            "format" => match value.as_str() {
                Some("date-time") => return Ok(json!({"$ref": "#/components/schemas/Timestamp"})),
                // What goes into a header is a text by then.
                Some("password") => {}
                _ => drop(out.insert(key.clone(), value.clone())),
            },
            "minimum" | "maximum" | "minLength" | "maxLength" | "description" | "example" => {}
            _ => bail!("keyword `{key}` of a parameter is not known to the generator"),
        }
    }
    Ok(Value::Object(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "openapi: 3.1.0\ninfo: {title: t, version: \"1\"}\npaths: {}\n";

    fn lower(schemas: &str) -> Result<Lowered> {
        let mut document = Document::empty();
        document.add("openapi/keepward.yaml", ROOT)?;
        document.add("openapi/some.yaml", schemas)?;
        super::schemas(&document)
    }

    #[test]
    fn a_keyword_that_is_not_known_is_an_error_that_names_file_and_line() {
        let text = "components:\n  schemas:\n    A:\n      type: object\n      properties:\n        b:\n          type: string\n          multipleOf: 3\n";
        let error = format!("{:#}", lower(text).err().unwrap());
        assert!(error.contains("openapi/some.yaml:6") && error.contains("multipleOf"), "{error}");
        let text = "components:\n  schemas:\n    A:\n      type: string\n      format: ipv4\n";
        let error = format!("{:#}", lower(text).err().unwrap());
        assert!(error.contains("openapi/some.yaml:3") && error.contains("ipv4"), "{error}");
    }

    #[test]
    fn a_reference_to_nothing_is_an_error() {
        let text = "components:\n  schemas:\n    A:\n      $ref: \"#/components/schemas/B\"\n";
        assert!(format!("{:#}", lower(text).err().unwrap()).contains("dangling"));
    }

    #[test]
    fn what_two_files_define_is_an_error() {
        let mut document = Document::empty();
        document.add("a.yaml", "components:\n  schemas:\n    A: {type: string}\n").unwrap();
        assert!(document.add("b.yaml", "components:\n  schemas:\n    A: {type: string}\n").is_err());
    }

    #[test]
    fn absent_and_null_differ_in_updates_only() {
        let text = "components:\n  schemas:\n    A:\n      type: object\n      x-merge-patch: true\n      properties:\n        b: {type: string}\n    B:\n      type: object\n      properties:\n        b: {type: string}\n";
        let lowered = lower(text).unwrap();
        assert_eq!(lowered.patches, [("A".to_owned(), "b".to_owned())]);
    }
}
