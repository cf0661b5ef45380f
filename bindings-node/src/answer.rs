//! From the SDK's answers to JavaScript's values, on JavaScript's thread.

use keepward::dynamic::Data;
use napi::bindgen_prelude::{Array, BigInt, FunctionRef, Null, Object, ToNapiValue, Unknown};
use napi::{Env, Result};

/// The greatest integer that a number holds exactly, with all below it.
const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

/// Makes the object that hides a text.
pub(crate) type Hide = FunctionRef<String, Unknown<'static>>;

/// Where a value goes.
trait Slot {
    fn put<V: ToNapiValue>(self, value: V) -> Result<()>;
}

impl Slot for (&mut Object<'_>, &str) {
    fn put<V: ToNapiValue>(self, value: V) -> Result<()> {
        self.0.set(self.1, value)
    }
}

impl Slot for (&mut Array<'_>, u32) {
    fn put<V: ToNapiValue>(self, value: V) -> Result<()> {
        self.0.set(self.1, value)
    }
}

/// Puts an answer into the field `value` of an object.
pub(crate) fn put(env: &Env, object: &mut Object<'_>, data: Data, hide: &Hide) -> Result<()> {
    set(env, (object, "value"), data, hide)
}

fn set(env: &Env, slot: impl Slot, data: Data, hide: &Hide) -> Result<()> {
    match data {
        Data::Null => slot.put(Null),
        Data::Bool(value) => slot.put(value),
        Data::Int(value) => slot.put(value),
        Data::Long(value) => slot.put(BigInt::from(value)),
        Data::Loose(value) if value.unsigned_abs() > MAX_SAFE_INTEGER => slot.put(BigInt::from(value)),
        // Exact, as it is small enough.
        Data::Loose(value) => slot.put(value),
        Data::Big(value) => slot.put(BigInt::from(value)),
        Data::Number(value) => slot.put(value),
        Data::Text(text) | Data::Id(text) => slot.put(text),
        Data::Secret(text) => slot.put(hide.borrow_back(env)?.call(text.expose().to_owned())?),
        // JavaScript's times have milliseconds.
        Data::Time(time) => slot.put(env.create_date(time.microseconds().div_euclid(1000) as f64)?),
        Data::List(items) => {
            let mut array = env.create_array(u32::try_from(items.len()).unwrap_or(u32::MAX))?;
            for (index, item) in (0..).zip(items) {
                set(env, (&mut array, index), item, hide)?;
            }
            slot.put(array)
        }
        Data::Map(entries) => {
            let mut object = Object::new(env)?;
            // Set, it would be the object's prototype, and whoever wrote the data could add to what it seems to have.
            for (key, value) in entries.into_iter().filter(|(key, _)| key != "__proto__") {
                set(env, (&mut object, key.as_str()), value, hide)?;
            }
            slot.put(object)
        }
        Data::Model(_, fields) => {
            let mut object = Object::new(env)?;
            for (name, value) in fields {
                set(env, (&mut object, camel(name).as_str()), value, hide)?;
            }
            slot.put(object)
        }
    }
}

/// `createdAt` of `created_at`.
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut is_start = false;
    for c in name.chars() {
        match (c, is_start) {
            ('_', _) => is_start = true,
            (c, true) => {
                camel.push(c.to_ascii_uppercase());
                is_start = false;
            }
            (c, false) => camel.push(c),
        }
    }
    camel
}
