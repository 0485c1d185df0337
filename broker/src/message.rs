//! A frame as a message of AMQP 0-9-1.
//!
//! | property, header | type | what |
//! |---|---|---|
//! | content-type | | `image/jpeg`; of the layout of 2019 `application/octet-stream` |
//! | message-id | | the frame's id, decimal |
//! | `frame_id`, `epoch` | long (i64) | id and epoch in the ring that published it |
//! | `capture_ns` | long (i64) | Unix time of capture, nanoseconds |
//! | `w`, `h` | int (i32) | pixels |
//! | `origin` | string | who published it, 16 hexadecimal digits |
//! | `relays` | int (i32) | brokers that the frame had passed before |
//!
//! No unsigned long: RabbitMQ 3.10 kills a consumer of a stream over one.
//!
//! Whoever publishes may do so without any header, as in 2019; a header that is there must be right. Not here:
//! whether a body that begins like a JPEG is one, and which frames to take (`capture`).

use std::fmt;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use crate::raw;

/// A frame came to its viewers over at most so many brokers.
pub const MAX_RELAYS: u8 = 4;

/// The largest body, bytes: what RabbitMQ takes unless told otherwise (`max_message_size`, until 3.13).
pub const MAX_BODY: usize = 128 << 20;

/// Of a message that stays in memory (`delivery-mode`).
const TRANSIENT: u8 = 1;

/// Who published a message: a number that hardly another instance has; 0: nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin(pub u64);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a message says of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tags {
    /// In its publisher's ring; at least 1.
    pub frame_id: u64,
    /// Which run of the publisher's writer.
    pub epoch: u64,
    /// Unix time of capture, nanoseconds.
    pub captured_ns: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Who published it.
    pub origin: Origin,
    /// Brokers that it passed before this one.
    pub relays: u8,
}

/// A message that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it says of its frame, if anything.
    pub tags: Option<Tags>,
    /// Its picture.
    pub body: Body,
}

/// A picture as it crosses.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Begins like a JPEG.
    Jpeg(Vec<u8>),
    /// The layout of 2019: exactly one picture.
    Raw {
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
        /// Header and pixels.
        bytes: Vec<u8>,
    },
}

impl Body {
    /// The picture's bytes: a JPEG, or packed BGR.
    #[must_use]
    pub fn picture(&self) -> &[u8] {
        match self {
            Body::Jpeg(jpeg) => jpeg,
            Body::Raw { bytes, .. } => &bytes[raw::HEADER..],
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Body::Jpeg(_) => "Jpeg",
            Body::Raw { .. } => "Raw",
        };
        write!(f, "{what}({} bytes)", self.picture().len())
    }
}

/// Why a message is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A header is missing beside others, of another type or out of range.
    #[error("its header {0} is missing or wrong")]
    Header(&'static str),
    /// The body is neither.
    #[error(
        "its body of {0} bytes is neither a JPEG nor 8 bytes of header with as many BGR pixels"
    )]
    Body(usize),
}

/// Properties of a message with a frame in that form.
#[must_use]
pub fn properties(tags: &Tags, content: crate::Format) -> BasicProperties {
    let mut headers = FieldTable::default();
    // An id that does not fit is none that a ring reaches.
    let long = |value: u64| AMQPValue::LongLongInt(i64::try_from(value).unwrap_or(i64::MAX));
    let int = |value: u32| AMQPValue::LongInt(i32::try_from(value).unwrap_or(i32::MAX));
    for (name, value) in [
        ("frame_id", long(tags.frame_id)),
        ("epoch", long(tags.epoch)),
        ("capture_ns", long(tags.captured_ns)),
        ("w", int(tags.width)),
        ("h", int(tags.height)),
        (
            "origin",
            AMQPValue::LongString(tags.origin.to_string().into()),
        ),
        ("relays", int(tags.relays.into())),
    ] {
        headers.insert(name.into(), value);
    }
    let content_type = match content {
        crate::Format::Jpeg => "image/jpeg",
        crate::Format::Raw => "application/octet-stream",
    };
    BasicProperties::default()
        .with_content_type(content_type.into())
        .with_message_id(tags.frame_id.to_string().into())
        .with_delivery_mode(TRANSIENT)
        .with_headers(headers)
}

/// Properties as they lie on the wire (AMQP 0-9-1, section 4.2.6.1); none where they are not whole.
#[must_use]
pub fn properties_of(bytes: &[u8]) -> Option<BasicProperties> {
    let (_, properties) = lapin::protocol::basic::parse_properties(bytes).ok()?;
    Some(properties)
}

/// Understands a message, whoever published it.
///
/// # Errors
/// [`Malformed`].
pub fn read(properties: &BasicProperties, body: Vec<u8>) -> Result<Message, Malformed> {
    let none = FieldTable::default();
    let headers = properties.headers().as_ref().unwrap_or(&none);
    let tags = tags(headers)?;
    let body = if body.starts_with(&[0xff, 0xd8]) {
        Body::Jpeg(body)
    } else {
        let (width, height) = raw::size(&body).ok_or(Malformed::Body(body.len()))?;
        Body::Raw {
            width,
            height,
            bytes: body,
        }
    };
    Ok(Message { tags, body })
}

/// What a message says of its frame, if it says that rightly.
pub(crate) fn tags_of(properties: &BasicProperties) -> Option<Tags> {
    tags(properties.headers().as_ref()?).ok()?
}

fn tags(headers: &FieldTable) -> Result<Option<Tags>, Malformed> {
    const OURS: [&str; 5] = ["frame_id", "epoch", "capture_ns", "w", "h"];
    let find = |name: &str| headers.inner().get(name);
    if OURS.iter().all(|name| find(name).is_none()) {
        return Ok(None);
    }
    let long = |name| find(name).and_then(whole).ok_or(Malformed::Header(name));
    let side = |name| u32::try_from(long(name)?).map_err(|_| Malformed::Header(name));
    let origin = match find("origin") {
        None => Origin::default(),
        Some(value) => origin(value).ok_or(Malformed::Header("origin"))?,
    };
    let relays = match find("relays") {
        None => 0,
        Some(_) => long("relays")?.try_into().unwrap_or(u8::MAX), // too many, however many
    };
    let frame_id = long("frame_id")?;
    if frame_id == 0 {
        return Err(Malformed::Header("frame_id"));
    }
    Ok(Some(Tags {
        frame_id,
        epoch: long("epoch")?,
        captured_ns: long("capture_ns")?,
        width: side("w")?,
        height: side("h")?,
        origin,
        relays,
    }))
}

/// Where in a stream a message lies, if it came from one.
pub(crate) fn stream_offset(properties: &BasicProperties) -> Option<u64> {
    let headers = properties.headers().as_ref()?;
    headers.inner().get("x-stream-offset").and_then(whole)
}

/// A number that is not negative, of whatever type a client made of it.
fn whole(value: &AMQPValue) -> Option<u64> {
    match *value {
        AMQPValue::ShortShortInt(n) => n.try_into().ok(),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => n.try_into().ok(),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => n.try_into().ok(),
        AMQPValue::LongUInt(n) => Some(n.into()),
        AMQPValue::LongLongInt(n) => n.try_into().ok(),
        _ => None,
    }
}

fn origin(value: &AMQPValue) -> Option<Origin> {
    let text = match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok()?,
        AMQPValue::ShortString(text) => text.as_str(),
        _ => return None,
    };
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok().map(Origin))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Format;

    const TAGS: Tags = Tags {
        frame_id: 7,
        epoch: 1_800_000_000,
        captured_ns: 1_800_000_000_123_456_789,
        width: 4,
        height: 2,
        origin: Origin(0xfeed),
        relays: 2,
    };

    const JPEG: &[u8] = &[0xff, 0xd8, 1, 2];

    fn with(name: &str, value: AMQPValue) -> Result<Message, Malformed> {
        let properties = properties(&TAGS, Format::Jpeg);
        let mut headers = properties.headers().clone().unwrap();
        headers.insert(name.into(), value);
        read(&properties.with_headers(headers), JPEG.to_vec())
    }

    #[test]
    fn comes_out_as_it_went_in() {
        let raw = [&raw::header(4, 2)[..], &[9; 24]].concat();
        for (format, body) in [(Format::Jpeg, JPEG), (Format::Raw, &raw)] {
            let properties = properties(&TAGS, format);
            assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "7");
            let message = read(&properties, body.to_vec()).unwrap();
            assert_eq!(message.tags, Some(TAGS));
            assert_eq!(
                message.body.picture().len(),
                if body == JPEG { 4 } else { 24 }
            );
        }
    }

    #[test]
    fn a_message_of_2019_says_nothing_of_its_frame() {
        let raw = [&raw::header(4, 2)[..], &[9; 24]].concat();
        let message = read(&BasicProperties::default(), raw).unwrap();
        assert_eq!(message.tags, None);
        assert_eq!(message.body.picture(), [9; 24]);
    }

    #[test]
    fn numbers_of_any_type_and_no_other() {
        for value in [
            AMQPValue::LongInt(9),
            AMQPValue::ShortShortUInt(9),
            AMQPValue::LongUInt(9),
        ] {
            assert_eq!(with("frame_id", value).unwrap().tags.unwrap().frame_id, 9);
        }
        for (name, value) in [
            ("frame_id", AMQPValue::LongLongInt(-1)),
            ("frame_id", AMQPValue::LongLongInt(0)),
            ("epoch", AMQPValue::LongString("7".into())),
            ("capture_ns", AMQPValue::Void),
            ("w", AMQPValue::LongLongInt(1 << 40)),
            ("relays", AMQPValue::Boolean(true)),
            ("origin", AMQPValue::LongInt(1)),
            ("origin", AMQPValue::LongString("+00000000000feed".into())),
            ("origin", AMQPValue::LongString(vec![0xff; 16].into())),
        ] {
            let said = with(name, value).unwrap_err().to_string();
            assert!(said.contains(name), "{said}");
        }
        let many = with("relays", AMQPValue::LongInt(300)).unwrap();
        assert_eq!(many.tags.unwrap().relays, u8::MAX);
    }

    #[test]
    fn one_header_takes_the_others_with_it() {
        let mut headers = FieldTable::default();
        headers.insert("epoch".into(), AMQPValue::LongInt(1));
        let properties = BasicProperties::default().with_headers(headers);
        assert_eq!(
            read(&properties, JPEG.to_vec()),
            Err(Malformed::Header("frame_id"))
        );
        let mut headers = FieldTable::default();
        headers.insert("x-other".into(), AMQPValue::LongInt(1));
        let properties = BasicProperties::default().with_headers(headers);
        assert_eq!(read(&properties, JPEG.to_vec()).unwrap().tags, None);
    }

    proptest! {
        /// Whatever a broker passes on as properties and body is a frame or an error.
        #[test]
        fn any_bytes(properties in prop::collection::vec(any::<u8>(), 0..200), body in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(properties) = properties_of(&properties) {
                let _ = read(&properties, body.clone());
            }
            if let Ok(message) = read(&BasicProperties::default(), body.clone()) {
                prop_assert!(message.body.picture().len() <= body.len());
            }
        }
    }
}
