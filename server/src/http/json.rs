//! A strict look at a JSON text before it is read: what serde would let pass in places that it ignores or keeps as they are
//! (RFC 8259 calls it unpredictable) is refused everywhere: names twice in one object, numbers past 64 bits.

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Whether the text is one JSON value without doubtful parts. Nesting is bounded by serde_json, at 128 levels.
pub(super) fn check(text: &str) -> Result<(), String> {
    if has_long_number(text.as_bytes()) {
        return Err("a whole number is past 64 bits".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let outcome = Strict.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    outcome.map_err(|error| {
        let text = error.to_string();
        text.rsplit_once(" at line ").map_or(text.clone(), |(text, _)| text.to_owned())
    })
}

/// Whether a whole number is one that no 64 bits hold: serde_json would give it as a rounded one. In a text that is no JSON
/// the answer means nothing.
fn has_long_number(text: &[u8]) -> bool {
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = match first {
            b'"' => after_string(after),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = rest.iter().take_while(|byte| is_part(byte)).count();
                let (number, after) = rest.split_at(length);
                let number = std::str::from_utf8(number).unwrap_or_default();
                let is_whole = !number.contains(['.', 'e', 'E']);
                if is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                    return true;
                }
                after
            }
            _ => after,
        };
    }
    false
}

/// What follows the string whose first quote was read.
fn after_string(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return after,
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
            [] => return rest,
        };
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Strict)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(Strict)?;
            if !names.insert(name) {
                return Err(A::Error::custom("a name stands twice in one object"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn doubtful_texts() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":[{"a":1,"b":{},"a":2}]}"#,
            r#"{"a":123456789012345678901234567890}"#,
            r#"{"a":1e400}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":1} x"#,
            "{",
            "",
            &deep,
            r#"{"a":-99999999999999999999}"#,
            r#"{"a":-9223372036854775809}"#,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for good in [
            r#"{"a":[1,-1,1.5,18446744073709551615,-9223372036854775808,"\ud83d\ude00",null,true,{}]}"#,
            "[]",
            "0.1e-5",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }
}
