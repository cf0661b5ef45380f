//! The OpenAPI document: read from its YAML files, merged into one bundle, every node with its file and line.

use anyhow::{Context, Result, anyhow, bail};
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(crate) const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The bundle, and where each of its nodes was written.
pub(crate) struct Document {
    pub(crate) bundle: Value,
    marks: BTreeMap<String, String>,
}

impl Document {
    pub(crate) fn empty() -> Self {
        Self { bundle: json!({}), marks: BTreeMap::new() }
    }

    /// Reads and merges the document of the workspace at `root`.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let folder = root.join("openapi");
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .with_context(|| format!("{}: run me by `cargo xtask`, in the clone that is meant", folder.display()))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".yaml") && name != "keepward.yaml")
            .collect();
        names.sort();
        names.insert(0, "keepward.yaml".to_owned());
        let mut document = Self::empty();
        for name in names {
            let text = std::fs::read_to_string(folder.join(&name)).with_context(|| name.clone())?;
            document.add(&format!("openapi/{name}"), &text)?;
        }
        document.complete()?;
        Ok(document)
    }

    /// Merges one file's text; what two files define alike is an error.
    pub(crate) fn add(&mut self, file: &str, text: &str) -> Result<()> {
        let nodes = MarkedYaml::load_from_str(text).map_err(|e| anyhow!("{file}: {e}"))?;
        let node = nodes.first().with_context(|| format!("{file}: empty"))?;
        let value = self.read(node, file, "")?;
        merge(&mut self.bundle, value, "").with_context(|| file.to_owned())
    }

    fn read(&mut self, node: &MarkedYaml<'_>, file: &str, pointer: &str) -> Result<Value> {
        let place = format!("{file}:{}", node.span.start.line());
        self.marks.entry(pointer.to_owned()).or_insert_with(|| place.clone());
        Ok(match &node.data {
            YamlData::Value(Scalar::Null) => Value::Null,
            YamlData::Value(Scalar::Boolean(b)) => json!(b),
            YamlData::Value(Scalar::Integer(i)) => json!(i),
            YamlData::Value(Scalar::FloatingPoint(f)) => json!(f.into_inner()),
            YamlData::Value(Scalar::String(s)) => json!(s),
            YamlData::Sequence(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(i, item)| self.read(item, file, &format!("{pointer}/{i}")))
                    .collect::<Result<Vec<_>>>()?
                    .into()
            }
            YamlData::Mapping(entries) => {
                let mut object = Map::new();
                for (key, item) in entries {
                    let YamlData::Value(Scalar::String(name)) = &key.data else {
                        bail!("{file}:{}: a key must be a text (quote it)", key.span.start.line());
                    };
                    let below = format!("{pointer}/{}", escape(name));
                    self.marks.insert(below.clone(), format!("{file}:{}", key.span.start.line()));
                    let value = self.read(item, file, &below)?;
                    object.insert(name.to_string(), value);
                }
                Value::Object(object)
            }
            _ => bail!("{place}: this kind of YAML is not used here"),
        })
    }

    /// Where the node at a JSON pointer, or the nearest one above it, was written.
    pub(crate) fn place(&self, pointer: &str) -> String {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.marks.get(pointer) {
                return place.clone();
            }
            match pointer.rfind('/') {
                Some(end) => pointer = pointer.get(..end).unwrap_or(""),
                None => return "openapi".to_owned(),
            }
        }
    }

    /// What every operation and every optional field of a request has, said once here instead of in each place:
    /// `4XX` and `5XX` answers, and `null` for "left out".
    fn complete(&mut self) -> Result<()> {
        for schema in self.reachable(Side::Request) {
            let pointer = format!("/components/schemas/{schema}");
            let Some(object) = self.bundle.pointer_mut(&pointer).and_then(Value::as_object_mut) else { continue };
            let required = object.get("required").cloned().unwrap_or_default();
            for (name, property) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
                let is_required = required.as_array().is_some_and(|names| names.iter().any(|n| n == name));
                if !is_required {
                    *property = nullable(property.take());
                }
            }
        }
        let problem = json!({"$ref": "#/components/responses/Problem"});
        for (_, item) in self.bundle.get_mut("paths").and_then(Value::as_object_mut).context("paths")? {
            for (method, operation) in item.as_object_mut().context("a path item is a map")? {
                if !METHODS.contains(&method.as_str()) {
                    continue;
                }
                let responses = operation.get_mut("responses").and_then(Value::as_object_mut).context("responses")?;
                responses.insert("4XX".to_owned(), problem.clone());
                responses.insert("5XX".to_owned(), problem.clone());
            }
        }
        Ok(())
    }

    /// The operations: JSON pointer, path, method, the path item, the operation.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (String, &str, &str, &Value, &Value)> {
        let paths = self.bundle.get("paths").and_then(Value::as_object);
        paths.into_iter().flatten().flat_map(|(path, item)| {
            item.as_object().into_iter().flatten().filter(|(m, _)| METHODS.contains(&m.as_str())).map(
                move |(method, operation)| {
                    (format!("/paths/{}/{method}", escape(path)), path.as_str(), method.as_str(), item, operation)
                },
            )
        })
    }

    pub(crate) fn schemas(&self) -> &Map<String, Value> {
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        self.bundle.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&NONE)
    }

    /// Follows `$ref`, once.
    pub(crate) fn resolve<'a>(&'a self, node: &'a Value) -> Result<&'a Value> {
        match node.get("$ref").and_then(Value::as_str) {
            None => Ok(node),
            Some(reference) => self
                .bundle
                .pointer(reference.trim_start_matches('#'))
                .with_context(|| format!("dangling $ref {reference}")),
        }
    }

    /// Names of the schemas that requests, or answers, are made of.
    pub(crate) fn reachable(&self, side: Side) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut queue: Vec<&Value> = Vec::new();
        for (_, _, _, _, operation) in self.operations() {
            match side {
                Side::Request => queue.extend(operation.get("requestBody")),
                Side::Answer => queue.extend(operation.get("responses")),
            }
        }
        while let Some(node) = queue.pop() {
            match node {
                Value::Object(object) => {
                    if let Some(reference) = object.get("$ref").and_then(Value::as_str)
                        && let Some(target) = self.bundle.pointer(reference.trim_start_matches('#'))
                    {
                        match reference.strip_prefix("#/components/schemas/") {
                            Some(name) if !found.insert(name.to_owned()) => {}
                            _ => queue.push(target),
                        }
                    }
                    queue.extend(object.iter().filter(|(key, _)| *key != "example").map(|(_, value)| value));
                }
                Value::Array(items) => queue.extend(items),
                _ => {}
            }
        }
        found
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Answer,
}

/// Whether a schema of `components` is used by name only (a checked text, an id, an enum) or has nothing to differ in, on either side.
pub(crate) fn is_scalar(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) != Some("object") || schema.get("properties").is_none()
}

fn nullable(schema: Value) -> Value {
    let Value::Object(mut object) = schema else { return schema };
    match object.get("type") {
        Some(Value::String(kind)) => {
            let both = json!([kind, "null"]);
            object.insert("type".to_owned(), both);
            Value::Object(object)
        }
        Some(_) => Value::Object(object),
        None => {
            let mut outer = Map::new();
            for key in ["description"] {
                if let Some(text) = object.shift_remove(key) {
                    outer.insert(key.to_owned(), text);
                }
            }
            outer.insert("anyOf".to_owned(), json!([object, {"type": "null"}]));
            Value::Object(outer)
        }
    }
}

fn merge(into: &mut Value, from: Value, pointer: &str) -> Result<()> {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                let below = format!("{pointer}/{key}");
                match into.get_mut(&key) {
                    None => {
                        into.insert(key, value);
                    }
                    // Only the maps of the frame are shared by files: paths, components and its kinds.
                    Some(present) if below == "/paths" || below == "/components" || (pointer == "/components") => {
                        merge(present, value, &below)?;
                    }
                    Some(_) => bail!("{below} is defined twice"),
                }
            }
            Ok(())
        }
        _ => bail!("{pointer} is no map"),
    }
}

pub(crate) fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}
