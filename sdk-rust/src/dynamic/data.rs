//! An answer as a tree that says what each value is, so that a binding makes of it what its language has for that.

use keepward_api::{SecretText, Timestamp};
use serde::ser::{self, Impossible, Serialize};
use std::fmt;

/// A value of an answer.
#[derive(Clone, Debug)]
pub enum Data {
    Null,
    Bool(bool),
    /// An integer of 32 bits.
    Int(i32),
    /// An integer of 64 bits.
    Long(i64),
    /// An integer in data that has no schema.
    Loose(i64),
    /// One of them past 2^63.
    Big(u64),
    Number(f64),
    Text(String),
    Secret(SecretText),
    Id(String),
    Time(Timestamp),
    List(Vec<Data>),
    /// Data that has no schema.
    Map(Vec<(String, Data)>),
    /// A schema of the document, with the fields that are there.
    Model(&'static str, Vec<(&'static str, Data)>),
}

/// Never for the types of this crate.
#[derive(Debug)]
pub(super) struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that no answer has")
    }
}

impl std::error::Error for Unfit {}

impl ser::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The tree of an answer.
pub(super) fn data<T: Serialize>(answer: &T) -> Result<Data, Unfit> {
    answer.serialize(ToData { is_loose: false })
}

/// `is_loose` within data that has no schema.
#[derive(Clone, Copy)]
struct ToData {
    is_loose: bool,
}

type Done = Result<Data, Unfit>;

macro_rules! as_long {
    ($($method:ident: $ty:ty),* $(,)?) => {
        $(fn $method(self, value: $ty) -> Done {
            self.serialize_i64(i64::from(value))
        })*
    };
}

impl ser::Serializer for ToData {
    type Ok = Data;
    type Error = Unfit;
    type SerializeSeq = Items;
    type SerializeTuple = Impossible<Data, Unfit>;
    type SerializeTupleStruct = Impossible<Data, Unfit>;
    type SerializeTupleVariant = Impossible<Data, Unfit>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Data, Unfit>;

    as_long! { serialize_i8: i8, serialize_i16: i16, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32 }

    fn serialize_bool(self, value: bool) -> Done {
        Ok(Data::Bool(value))
    }

    fn serialize_i32(self, value: i32) -> Done {
        Ok(if self.is_loose { Data::Loose(i64::from(value)) } else { Data::Int(value) })
    }

    fn serialize_i64(self, value: i64) -> Done {
        Ok(if self.is_loose { Data::Loose(value) } else { Data::Long(value) })
    }

    fn serialize_u64(self, value: u64) -> Done {
        match i64::try_from(value) {
            Ok(value) => self.serialize_i64(value),
            Err(_) => Ok(Data::Big(value)),
        }
    }

    fn serialize_f32(self, value: f32) -> Done {
        Ok(Data::Number(f64::from(value)))
    }

    fn serialize_f64(self, value: f64) -> Done {
        Ok(Data::Number(value))
    }

    fn serialize_char(self, value: char) -> Done {
        Ok(Data::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Done {
        Ok(Data::Text(value.to_owned()))
    }

    /// How a [`Timestamp`] serialises itself, and nothing else that reads as one.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Done {
        let text = value.to_string();
        Ok(text.parse().map_or(Data::Text(text), Data::Time))
    }

    fn serialize_bytes(self, _: &[u8]) -> Done {
        Err(Unfit)
    }

    fn serialize_none(self) -> Done {
        Ok(Data::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Ok(Data::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(Data::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Done {
        match (name, value.serialize(self)?) {
            ("SecretText", Data::Text(text)) => Ok(Data::Secret(text.into())),
            (id, Data::Text(text)) if id.ends_with("Id") => Ok(Data::Id(text)),
            (_, other) => Ok(other),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Done {
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, Unfit> {
        Ok(Items { of: self, items: Vec::with_capacity(length.unwrap_or(0)) })
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unfit> {
        Err(Unfit)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unfit> {
        Err(Unfit)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unfit> {
        Err(Unfit)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Unfit> {
        Ok(Entries { key: String::new(), entries: Vec::new() })
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Fields, Unfit> {
        Ok(Fields { name, fields: Vec::with_capacity(length) })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unfit> {
        Err(Unfit)
    }
}

struct Items {
    of: ToData,
    items: Vec<Data>,
}

impl ser::SerializeSeq for Items {
    type Ok = Data;
    type Error = Unfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.items.push(value.serialize(self.of)?);
        Ok(())
    }

    fn end(self) -> Done {
        Ok(Data::List(self.items))
    }
}

struct Entries {
    key: String,
    entries: Vec<(String, Data)>,
}

impl ser::SerializeMap for Entries {
    type Ok = Data;
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        match key.serialize(ToData { is_loose: true })? {
            Data::Text(key) => self.key = key,
            _ => return Err(Unfit),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let value = value.serialize(ToData { is_loose: true })?;
        self.entries.push((std::mem::take(&mut self.key), value));
        Ok(())
    }

    fn end(self) -> Done {
        Ok(Data::Map(self.entries))
    }
}

struct Fields {
    name: &'static str,
    fields: Vec<(&'static str, Data)>,
}

impl ser::SerializeStruct for Fields {
    type Ok = Data;
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unfit> {
        self.fields.push((name, value.serialize(ToData { is_loose: false })?));
        Ok(())
    }

    fn end(self) -> Done {
        Ok(Data::Model(self.name, self.fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepward_api::{SecretId, types};

    #[test]
    fn each_value_says_what_it_is() {
        let answer = types::SecretResponse {
            id: "3f0d3a0e-4f6b-4a6b-9c55-2b7f6d1f8a10".parse::<SecretId>().unwrap(),
            path: "a/b".into(),
            type_: types::SecretType::ApiKey.into(),
            value: "hunter2".into(),
            version: 3,
            metadata: serde_json::from_str(r#"{"n": 9007199254740993, "deep": {"x": [1, 1.5, null]}}"#).unwrap(),
            created_by: "user:x".into(),
            created_at: Timestamp::from_seconds(5),
            expires_at: None,
            cmek_encrypted: None,
        };
        let Ok(Data::Model("SecretResponse", fields)) = data(&answer) else { panic!("no model") };
        let field = |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value).unwrap();
        assert!(matches!(field("id"), Data::Id(id) if id.starts_with("3f0d")));
        assert!(matches!(field("type"), Data::Text(text) if text == "api_key"));
        assert!(matches!(field("value"), Data::Secret(text) if text.expose() == "hunter2"));
        assert!(matches!(field("version"), Data::Int(3)));
        assert!(matches!(field("created_at"), Data::Time(time) if time.seconds() == 5));
        let Data::Map(metadata) = field("metadata") else { panic!("no map") };
        assert!(metadata.iter().any(|(key, value)| key == "n" && matches!(value, Data::Loose(9_007_199_254_740_993))));
        assert!(!fields.iter().any(|(name, _)| *name == "expires_at"), "absent stays absent");
        assert!(!format!("{fields:?}").contains("hunter"));
    }
}
