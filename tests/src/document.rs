//! The document as tests need it: its operations, and what a request and an answer must be valid against.

use crate::Answer;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The document, parsed.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(keepward::DOCUMENT).unwrap());

/// An operation of the document.
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
    /// A text of the operation's own.
    pub fn text(&self, key: &str) -> Option<&'static str> {
        self.node[key].as_str()
    }

    /// The example request, where there is a body.
    pub fn example(&self) -> Option<Value> {
        self.node.pointer("/requestBody/content/application~1json/example").cloned()
    }

    /// The schema of the request, resolved.
    pub fn request_schema(&self) -> Option<&'static Value> {
        self.node.pointer("/requestBody/content/application~1json/schema").map(resolved)
    }

    /// The statuses of success, the lowest first.
    pub fn success(&self) -> Vec<u16> {
        let statuses = self.node["responses"].as_object().unwrap().keys();
        statuses.filter(|status| status.starts_with('2')).filter_map(|status| status.parse().ok()).collect()
    }

    fn answer_content(&self, status: u16) -> Option<&'static Value> {
        resolved(&self.node["responses"][status.to_string()]).pointer("/content/application~1json")
    }

    /// The schema of an answer, resolved.
    pub fn answer_schema(&self, status: u16) -> Option<&'static Value> {
        self.answer_content(status).map(|content| resolved(&content["schema"]))
    }

    /// The example of an answer, where the document has one.
    pub fn answer_example(&self, status: u16) -> Option<&'static Value> {
        self.answer_content(status)?.get("example")
    }

    /// What an answer must be valid against: the document's schema, without any field beyond it.
    pub fn answer_validator(&self, status: u16) -> Option<jsonschema::Validator> {
        self.answer_content(status).map(|content| strict(&content["schema"]))
    }

    /// The names of what an SDK's method takes.
    pub fn arguments(&self) -> BTreeSet<String> {
        let parameters = self.parameters().map(|known| argument(known["name"].as_str().unwrap()));
        let fields = match self.request_schema() {
            Some(_) if self.node["x-raw-body"] == true => vec!["body".to_owned()],
            Some(schema) => {
                schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
            }
            None => Vec::new(),
        };
        parameters.chain(fields).collect()
    }

    fn parameters(&self) -> impl Iterator<Item = &'static Value> {
        let of_path = &DOCUMENT["paths"][&self.path]["parameters"];
        let both = [of_path, &self.node["parameters"]].into_iter().filter_map(Value::as_array).flatten();
        both.map(resolved)
    }

    /// The variables of the path, where it is one of this operation's.
    fn matches(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let mut variables = Vec::new();
        let mut rest = path.split('/');
        let node = DOCUMENT["paths"].as_object().unwrap().keys().find(|key| **key == self.path)?;
        for part in node.split('/') {
            let given = rest.next()?;
            let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
                if given == part {
                    continue;
                }
                return None;
            };
            let is_wildcard = self.parameters().any(|known| known["name"] == name && known["x-wildcard"] == true);
            let whole: Vec<&str> =
                if is_wildcard { [given].into_iter().chain(&mut rest).collect() } else { vec![given] };
            variables.push((name, percent_decode_str(&whole.join("/")).decode_utf8().ok()?.into_owned()));
        }
        if rest.next().is_none() { Some(variables) } else { None }
    }

    /// The text of one of its parameters in a request.
    fn parameter(&self, parameter: &Value, request: &Sent) -> Option<String> {
        let name = parameter["name"].as_str()?;
        match parameter["in"].as_str() {
            Some("path") => self.matches(request.path())?.into_iter().find(|(known, _)| *known == name).map(|(_, v)| v),
            Some("query") => request.query().into_iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => request.header(name),
        }
    }

    /// Where a request differs from the arguments that an SDK was given for it.
    pub fn differences(&self, given: &Value, request: &Sent) -> Vec<String> {
        let mut brought = Map::new();
        for parameter in self.parameters() {
            let name = argument(parameter["name"].as_str().unwrap());
            brought.extend(self.parameter(parameter, request).map(|text| (name, Value::String(text))));
        }
        if self.node["x-raw-body"] == true {
            brought.insert("body".to_owned(), String::from_utf8_lossy(&request.body).into());
        } else if let Ok(Value::Object(fields)) = serde_json::from_slice(&request.body) {
            brought.extend(fields);
        }
        let given = given.as_object().unwrap();
        let names: BTreeSet<&String> = given.keys().chain(brought.keys()).collect();
        // A parameter is a text whatever it is of.
        let is_it = |given: &Value, brought: &Value| given == brought || brought.as_str() == Some(&given.to_string());
        let differs = |name: &&String| match (given.get(*name), brought.get(*name)) {
            (Some(given), Some(brought)) => !is_it(given, brought),
            _ => true,
        };
        names.into_iter().filter(differs).map(|name| format!("`{name}` is not what was given")).collect()
    }

    /// What is wrong with a request of this operation.
    pub fn faults(&self, request: &Sent) -> Vec<String> {
        let mut faults = Vec::new();
        if request.path().to_ascii_uppercase().contains("%2F") {
            faults.push("a slash that is encoded".to_owned());
        }
        for parameter in self.parameters() {
            let name = parameter["name"].as_str().unwrap();
            match self.parameter(parameter, request) {
                Some(text) if !takes(&parameter["schema"], &text) => {
                    faults.push(format!("`{name}` is not of its schema"))
                }
                None if parameter["required"] == true => faults.push(format!("`{name}` is missing")),
                _ => {}
            }
        }
        let known = |name: &str| self.parameters().any(|known| known["in"] == "query" && known["name"] == name);
        let query = request.query();
        faults.extend(
            query.iter().filter(|(name, _)| !known(name)).map(|(name, _)| format!("`{name}` is not asked for")),
        );
        let is_raw = self.node["x-raw-body"] == true;
        let type_ = request.header("content-type").unwrap_or_default();
        match self.node.pointer("/requestBody/content/application~1json/schema") {
            _ if is_raw => {}
            None if request.body.is_empty() && type_.is_empty() => {}
            None => faults.push(format!("a body, {type_}")),
            Some(_) if type_ != "application/json" => faults.push(format!("a body of type {type_:?}")),
            Some(schema) => match serde_json::from_slice::<Value>(&request.body) {
                Ok(body) => faults.extend(
                    strict(schema).iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())),
                ),
                Err(error) => faults.push(format!("a body that is no JSON: {error}")),
            },
        }
        faults
    }

    /// What is wrong with an answer to it.
    pub fn answer_faults(&self, answer: &Answer) -> Vec<String> {
        let responses = self.node["responses"].as_object().unwrap();
        let class = format!("{}XX", answer.status / 100);
        if !responses.contains_key(&answer.status.to_string()) && !responses.contains_key(&class) {
            return vec![format!("the status {} is not one of it", answer.status)];
        }
        if answer.status >= 400 && !answer.is_problem(answer.status) {
            return vec![format!("no problem: {answer:?}")];
        }
        let validator = match answer.status {
            400.. => responses.get(&answer.status.to_string()).or(responses.get(&class)).and_then(|response| {
                Some(strict(&resolved(response).pointer("/content/application~1problem+json")?["schema"]))
            }),
            _ => self.answer_validator(answer.status),
        };
        match validator {
            Some(validator) => validator.iter_errors(&answer.json()).map(|error| error.to_string()).collect(),
            None => Vec::new(),
        }
    }
}

/// What an SDK calls a parameter.
fn argument(name: &str) -> String {
    name.replace('-', "_").to_lowercase()
}

/// A request, as it came over the wire.
pub struct Sent {
    pub method: String,
    /// Path and query, as they were spelled.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Sent {
    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn query(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        reqwest::Url::parse(&format!("http://x/?{query}")).unwrap().query_pairs().into_owned().collect()
    }

    /// The value of a header, named in lower case or not.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }

    /// The operation that it is for.
    pub fn operation(&self) -> Option<&'static Operation> {
        static ALL: LazyLock<Vec<Operation>> = LazyLock::new(operations);
        let fits = ALL.iter().filter(|known| known.method == self.method && known.matches(self.path()).is_some());
        // What is spelled out goes before a variable.
        fits.min_by_key(|known| known.path.matches('{').count())
    }
}

/// Follows references.
pub fn resolved(mut node: &'static Value) -> &'static Value {
    while let Some(reference) = node["$ref"].as_str() {
        node = DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap();
    }
    node
}

/// Whether a text is a value of a parameter's schema.
fn takes(schema: &'static Value, text: &str) -> bool {
    let value = match resolved(schema)["type"].as_str() {
        Some("integer" | "boolean" | "number") => serde_json::from_str(text).unwrap_or_default(),
        _ => json!(text),
    };
    strict(schema).is_valid(&value)
}

/// A schema as it stands in the document, without any field beyond it.
fn strict(schema: &Value) -> jsonschema::Validator {
    let mut strict = schema.clone();
    strict["components"] = DOCUMENT["components"].clone();
    for (_, schema) in strict["components"]["schemas"].as_object_mut().unwrap() {
        let has_fields = schema.get("properties").is_some();
        if let Some(object) = schema.as_object_mut().filter(|_| has_fields) {
            object.insert("additionalProperties".into(), json!(false));
        }
    }
    jsonschema::options().should_validate_formats(true).build(&strict).unwrap()
}

/// All operations of the document.
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

/// Those that do not answer 501.
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
