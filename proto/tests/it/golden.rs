//! Events are additive for ever (DEL-12): bytes that an earlier build wrote still mean what they meant.
//!
//! `testdata/events.golden` has a line an event and shape: its full name and a fully filled message in hex. Lines are
//! added when a message grows (`UPDATE_GOLDEN=1`), never edited or removed.

use std::{collections::BTreeSet, env, fmt::Write as _, fs};

use prost_reflect::{
    DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
    prost::Message as _,
};

use super::options::pool;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/events.golden");

fn events() -> Vec<MessageDescriptor> {
    pool()
        .all_messages()
        .filter(|m| {
            m.parent_file().package_name() == "switchboard.events.v1"
                && m.parent_message().is_none()
        })
        .collect()
}

/// A message with every field set, to values that tell the fields apart.
fn filled(descriptor: &MessageDescriptor, depth: u32) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let number = field.number();
        let single = match field.kind() {
            Kind::Message(_) if depth == 0 => continue,
            Kind::Message(inner) => Value::Message(filled(&inner, depth - 1)),
            Kind::Enum(_) => Value::EnumNumber(1),
            Kind::String => Value::String(format!("{}-{number}", field.name())),
            Kind::Bytes => Value::Bytes(vec![0xAB, u8::try_from(number % 256).unwrap()].into()),
            Kind::Bool => Value::Bool(true),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                Value::I32(i32::try_from(number).unwrap())
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                Value::I64(1_700_000_000_000_000 + i64::from(number))
            }
            Kind::Uint32 | Kind::Fixed32 => Value::U32(number),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::from(number)),
            Kind::Float => Value::F32(0.5),
            Kind::Double => Value::F64(0.25),
        };
        let value = if field.is_map() {
            Value::Map(
                [(MapKey::String("key".to_owned()), Value::String("value".to_owned()))].into(),
            )
        } else if field.is_list() {
            Value::List(vec![single])
        } else {
            single
        };
        message.set_field(&field, value);
    }
    message
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

#[test]
fn bytes_of_every_earlier_shape_are_still_understood() {
    let mut kept = fs::read_to_string(FILE).unwrap_or_default();
    let mut known: BTreeSet<String> = kept.lines().map(str::to_owned).collect();
    let mut missing = Vec::new();
    for event in events() {
        let line = format!("{} {}", event.full_name(), hex(&filled(&event, 4).encode_to_vec()));
        if known.insert(line.clone()) {
            missing.push(event.full_name().to_owned());
            writeln!(kept, "{line}").unwrap();
        }
    }
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(FILE, &kept).unwrap();
        missing.clear();
    }
    assert!(missing.is_empty(), "new shapes, add them with UPDATE_GOLDEN=1: {missing:?}");
    let pool = pool();
    for line in kept.lines() {
        let (name, bytes) = line.split_once(' ').expect("name and hex");
        let descriptor = pool.get_message_by_name(name).unwrap_or_else(|| panic!("{name} is gone"));
        let bytes = unhex(bytes);
        let message = DynamicMessage::decode(descriptor, bytes.as_slice()).expect(name);
        no_unknown_fields(&message, name);
        assert_eq!(hex(&message.encode_to_vec()), hex(&bytes), "{name} reads back differently");
    }
}

fn no_unknown_fields(message: &DynamicMessage, path: &str) {
    assert_eq!(
        message.unknown_fields().count(),
        0,
        "{path} lost a field ({})",
        message.descriptor().full_name()
    );
    for (field, value) in message.fields() {
        let path = format!("{path}.{}", field.name());
        match value {
            Value::Message(inner) => no_unknown_fields(inner, &path),
            Value::List(items) => {
                for inner in items.iter().filter_map(Value::as_message) {
                    no_unknown_fields(inner, &path);
                }
            }
            _ => {}
        }
    }
}
