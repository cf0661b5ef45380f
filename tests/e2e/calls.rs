//! A call of every operation, with every argument that it takes: what goes over the wire is held against the document, and
//! what comes back with every field is encoded again without loss.

use crate::e2e::{called, plain};
use keepward_tests::document::operations;
use keepward_tests::{CALLS, Mirror, builder};
use serde_json::Value;
use std::collections::BTreeSet;

/// `calls.json` is not generated, so that whatever is taken from the document is missed here, and in each language.
#[test]
fn every_operation_is_called_with_everything() {
    let mut open = Vec::new();
    let mut strangers: BTreeSet<&String> = CALLS.as_object().unwrap().keys().collect();
    for operation in operations() {
        // `auth_refresh` answers 400 to everything, by contract.
        let Some(status) = operation.success().first().copied() else { continue };
        let Some(call) = CALLS.get(&operation.id) else {
            open.push(operation.id);
            continue;
        };
        strangers.remove(&operation.id);
        let given: BTreeSet<String> = call["with"].as_object().unwrap().keys().cloned().collect();
        // Two arguments that are taken for each other show.
        let values: Vec<String> =
            call["with"].as_object().unwrap().values().filter(|v| !v.is_boolean()).map(Value::to_string).collect();
        if values.iter().collect::<BTreeSet<_>>().len() < values.len() {
            open.push(format!("{}: two arguments of one value", operation.id));
        }
        let takes = operation.arguments();
        if given != takes {
            open.push(format!("{}: given {given:?}, takes {takes:?}", operation.id));
        }
        if let (Some(schema), Some(validator)) = (operation.answer_schema(status), operation.answer_validator(status)) {
            // Where there is nothing to say, there is no answer.
            let nothing = Value::Object(serde_json::Map::new());
            let answer = call.get("answer").unwrap_or(&nothing);
            open.extend(validator.iter_errors(answer).map(|error| format!("{}: {error}", operation.id)));
            open.extend(lacking(answer, schema, &operation.id));
        }
    }
    assert!(open.is_empty() && strangers.is_empty(), "of no operation: {strangers:?}\n{}", open.join("\n"));
}

/// The fields of a schema that an answer does not have.
fn lacking(answer: &Value, schema: &'static Value, place: &str) -> Vec<String> {
    let schema = keepward_tests::document::resolved(schema);
    match answer {
        Value::Array(items) if items.is_empty() => vec![format!("{place}: nothing in the list")],
        Value::Array(items) => items.iter().flat_map(|item| lacking(item, &schema["items"], place)).collect(),
        Value::Object(fields) => {
            let known = schema["properties"].as_object().into_iter().flatten();
            known
                .flat_map(|(name, schema)| match fields.get(name) {
                    Some(value) => lacking(value, schema, &format!("{place}.{name}")),
                    None => vec![format!("{place}.{name}")],
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn what_is_sent_is_in_order_and_what_is_answered_comes_back_whole() {
    let mirror = Mirror::start(None).await;
    for server in ["full", "examples", "newer"] {
        let client = builder(&mirror.urls()[server]).token("t").max_retries(0).build().unwrap();
        for operation in CALLS.as_object().unwrap().keys() {
            let (given, expected) = (mirror.given(server, operation), mirror.expected(server, operation));
            let (Some(given), Some(expected)) = (given, expected) else { continue };
            let answer = called(&client, operation, &given).await;
            let answer = answer.unwrap_or_else(|failure| panic!("{server}: {operation}: {failure:?}"));
            assert_eq!(plain(&answer), expected, "{server}: {operation}");
        }
    }
    assert_eq!((mirror.findings(), mirror.unseen()), (Vec::new(), Vec::new()));
}
