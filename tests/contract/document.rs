//! The document as the rows need it.

use serde_json::{Map, Value, json};
use std::sync::LazyLock;

pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(keepward::DOCUMENT).unwrap());

#[derive(Clone, Debug)]
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub caller: String,
    pub planned: bool,
    pub node: &'static Value,
}

impl Operation {
    pub fn text(&self, key: &str) -> Option<&'static str> {
        self.node[key].as_str()
    }

    /// The example request, where there is a body.
    pub fn example(&self) -> Option<Value> {
        self.node.pointer("/requestBody/content/application~1json/example").cloned()
    }

    /// The schema of the request, resolved.
    pub fn request_schema(&self) -> Option<&'static Value> {
        let schema = self.node.pointer("/requestBody/content/application~1json/schema")?;
        DOCUMENT.pointer(schema["$ref"].as_str()?.trim_start_matches('#'))
    }

    pub fn success(&self) -> Vec<u16> {
        let statuses = self.node["responses"].as_object().unwrap().keys();
        statuses.filter(|status| status.starts_with('2')).filter_map(|status| status.parse().ok()).collect()
    }

    /// What an answer must be valid against: the document's schema, without any field beyond it.
    pub fn answer_validator(&self, status: u16) -> Option<jsonschema::Validator> {
        let response = &self.node["responses"][status.to_string()];
        let response = match response["$ref"].as_str() {
            Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
            None => response,
        };
        let schema = response.pointer("/content/application~1json/schema")?;
        let mut strict = json!({"components": DOCUMENT["components"], "$ref": schema["$ref"]});
        for (_, schema) in strict["components"]["schemas"].as_object_mut().unwrap() {
            let has_fields = schema.get("properties").is_some();
            if let Some(object) = schema.as_object_mut().filter(|_| has_fields) {
                object.insert("additionalProperties".into(), json!(false));
            }
        }
        let validator = jsonschema::options().should_validate_formats(true).build(&strict);
        Some(validator.unwrap())
    }
}

pub fn operations() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, node) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            operations.push(Operation {
                id: node["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                caller: node["x-caller"].as_str().unwrap().to_owned(),
                planned: node["x-planned"] == true,
                node,
            });
        }
    }
    assert!(operations.len() >= 99, "{}", operations.len());
    operations
}

pub fn working() -> impl Iterator<Item = Operation> {
    operations().into_iter().filter(|operation| !operation.planned)
}

/// The optional fields of a request.
pub fn optional_fields(schema: &Value) -> Vec<String> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let none = Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&none).keys();
    fields.filter(|field| !required.contains(&field.as_str())).cloned().collect()
}
