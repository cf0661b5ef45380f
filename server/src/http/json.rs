//! A strict look at a JSON text before it is read: what serde would let pass in places that it ignores or keeps as they are
//! (RFC 8259 calls it unpredictable) is refused everywhere: names twice in one object, numbers past 64 bits.

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Whether the text is one JSON value without doubtful parts. Nesting is bounded by serde_json, at 128 levels.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let outcome = Strict.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    outcome.map_err(|error| {
        let text = error.to_string();
        text.rsplit_once(" at line ").map_or(text.clone(), |(text, _)| text.to_owned())
    })
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
    /// A whole number that no 64 bits hold arrives as a rounded one.
    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        if number > -9_223_372_036_854_775_808.0 && number < 18_446_744_073_709_551_616.0 {
            Ok(())
        } else {
            Err(E::custom("a number is past 64 bits"))
        }
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
