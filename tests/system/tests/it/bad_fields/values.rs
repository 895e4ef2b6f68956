//! Messages that differ from a right one in one value.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};

/// As deep as messages of the contract lie within each other.
const DEEPEST: usize = 3;
/// More than any list of the contract may have.
const MANY: usize = 2_000;

/// Each with the field's path and what is in it.
pub(super) fn spoilt(right: &DynamicMessage) -> Vec<(String, DynamicMessage)> {
    let mut spoilt = Vec::new();
    for field in right.descriptor().fields() {
        for (what, value) in bad(&field, &right.get_field(&field), DEEPEST) {
            let mut message = right.clone();
            message.set_field(&field, value);
            spoilt.push((format!("{}{what}", field.name()), message));
        }
        let mut message = right.clone();
        message.clear_field(&field);
        spoilt.push((format!("{} left out", field.name()), message));
    }
    spoilt
}

/// Bad values of a field that has a right one.
fn bad(field: &FieldDescriptor, right: &Value, depth: usize) -> Vec<(String, Value)> {
    if field.is_map() {
        return Vec::new();
    }
    if !field.is_list() {
        return one(&field.kind(), right, depth);
    }
    let elements = right.as_list().unwrap_or_default();
    let element = elements.first().cloned().unwrap_or_else(|| Value::default_value(&field.kind()));
    let alone = one(&field.kind(), &element, depth).into_iter();
    let mut lists: Vec<_> =
        alone.map(|(what, value)| (format!("[0]{what}"), Value::List(vec![value]))).collect();
    lists.push((" twice".to_owned(), Value::List(vec![element.clone(); 2])));
    lists.push((format!(" {MANY} times"), Value::List(vec![element; MANY])));
    lists
}

fn one(kind: &Kind, right: &Value, depth: usize) -> Vec<(String, Value)> {
    let named = |values: Vec<Value>| {
        values.into_iter().map(|value| (format!(" = {}", short(&value)), value)).collect()
    };
    match kind {
        Kind::String => named(strings(right.as_str().unwrap_or_default())),
        Kind::Bytes => {
            named([vec![], vec![0; 3], vec![0xff; 70_000]].map(|bytes| Value::Bytes(bytes.into())).into())
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            named([i32::MIN, -1, 0, 1, i32::MAX].map(Value::I32).into())
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            named([i64::MIN, -1, 0, 253_402_300_800, i64::MAX].map(Value::I64).into())
        }
        Kind::Uint32 | Kind::Fixed32 => named([0, u32::MAX].map(Value::U32).into()),
        Kind::Uint64 | Kind::Fixed64 => named([0, u64::MAX].map(Value::U64).into()),
        Kind::Enum(_) => named([i32::MIN, 0, 1, 2, 9_999].map(Value::EnumNumber).into()),
        Kind::Double => named([f64::NAN, f64::INFINITY, -0.0].map(Value::F64).into()),
        Kind::Float => named([f32::NAN, f32::INFINITY, -0.0].map(Value::F32).into()),
        Kind::Bool => named([false, true].map(Value::Bool).into()),
        Kind::Message(_) if depth == 0 => Vec::new(),
        Kind::Message(_) => right.as_message().map_or_else(Vec::new, |right| within(right, depth - 1)),
    }
}

fn within(right: &DynamicMessage, depth: usize) -> Vec<(String, Value)> {
    let mut spoilt = vec![(" empty".to_owned(), Value::Message(DynamicMessage::new(right.descriptor())))];
    for field in right.descriptor().fields() {
        for (what, value) in bad(&field, &right.get_field(&field), depth) {
            let mut message = right.clone();
            message.set_field(&field, value);
            spoilt.push((format!(".{}{what}", field.name()), Value::Message(message)));
        }
    }
    spoilt
}

fn strings(right: &str) -> Vec<Value> {
    let texts = [
        "",
        " ",
        "\0",
        "x\0y",
        "a\nb",
        "' OR 1 = 1 --",
        "%_\\",
        "\\u0000",
        "\u{202e}\u{fffd}\u{10ffff}",
        "ord_7zzzzzzzzzzzzzzzzzzzzzzzzz",
        "99999999999999999999",
        "*",
        "AQ",
    ];
    let long = ["x".repeat(64), "x".repeat(60_000), "é".repeat(499)];
    let changed = [format!("{right}\0"), format!(" {right}"), right.to_uppercase()];
    texts.into_iter().map(str::to_owned).chain(long).chain(changed).map(Value::String).collect()
}

fn short(value: &Value) -> String {
    let text = format!("{value:?}");
    if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
}
