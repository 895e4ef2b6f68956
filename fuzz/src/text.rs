//! What holds of every value that is read from a text.

use std::{fmt::Display, str::FromStr};

use serde::{Serialize, de::DeserializeOwned};

/// The bytes as a text: parsers of texts never see anything else.
pub(crate) fn of(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

/// Reads a value, and holds it to this: what it writes it reads as itself.
pub(crate) fn round_trip<T>(text: &str) -> Option<T>
where
    T: FromStr + Display + PartialEq,
{
    let value: T = text.parse().ok()?;
    let written = value.to_string();
    let Ok(again) = written.parse::<T>() else {
        panic!("{text:?} is written as {written:?}, which isn't read")
    };
    assert!(value == again, "{text:?} is written as {written:?}, which is another");
    Some(value)
}

/// As [`round_trip`], and JSON takes and gives the same.
pub(crate) fn round_trip_with_json<T>(text: &str) -> Option<T>
where
    T: FromStr + Display + PartialEq + Serialize + DeserializeOwned,
{
    let value = round_trip::<T>(text);
    let json = serde_json::to_string(text).unwrap();
    let from_json: Option<T> = serde_json::from_str(&json).ok();
    assert!(value == from_json, "JSON reads {text:?} otherwise");
    if let Some(value) = &value {
        assert_eq!(serde_json::to_value(value).unwrap(), value.to_string());
    }
    value
}
