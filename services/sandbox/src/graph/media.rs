//! Media: uploads (kept thirty days), what customers sent (seven days), URLs that live five minutes
//! and need the bearer token. Bytes are files in the data folder, written before the row.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::events::DAY_US;
use crate::hub::Core;
use crate::model::Media;
use crate::world::Kind;

use super::access;
use super::error::GraphError;
use super::{Answer, Reply, Work, success};

/// What a media object of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaKind {
    Image,
    Video,
    Audio,
    Document,
    Sticker,
}

const MB: u64 = 1024 * 1024;

const AUDIO: &[&str] = &["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"];
const DOCUMENT: &[&str] = &[
    "text/plain",
    "application/pdf",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
];

impl MediaKind {
    const ALL: [Self; 5] = [Self::Image, Self::Video, Self::Audio, Self::Sticker, Self::Document];

    /// The kind of a message type.
    pub(crate) fn of(kind: &str) -> Option<Self> {
        match kind {
            "image" => Some(Self::Image),
            "video" => Some(Self::Video),
            "audio" => Some(Self::Audio),
            "document" => Some(Self::Document),
            "sticker" => Some(Self::Sticker),
            _ => None,
        }
    }

    fn mime_types(self) -> &'static [&'static str] {
        match self {
            Self::Image => &["image/jpeg", "image/png"],
            Self::Video => &["video/mp4", "video/3gpp"],
            Self::Audio => AUDIO,
            Self::Document => DOCUMENT,
            Self::Sticker => &["image/webp"],
        }
    }

    fn largest(self) -> u64 {
        match self {
            Self::Image => 5 * MB,
            Self::Video | Self::Audio => 16 * MB,
            Self::Document => 100 * MB,
            Self::Sticker => 500 * 1024,
        }
    }
}

/// `audio/ogg; codecs=opus` is `audio/ogg`.
fn bare(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a file of this type can be sent as this kind; a document may be anything that WhatsApp
/// takes.
pub(crate) fn suits(kind: &str, mime: &str) -> bool {
    match MediaKind::of(kind) {
        Some(MediaKind::Document) => true,
        Some(kind) => kind.mime_types().contains(&bare(mime).as_str()),
        None => false,
    }
}

/// A small file of a kind, for customers who send "a picture".
pub(crate) fn sample(kind: MediaKind) -> (&'static str, &'static [u8]) {
    const PNG: &[u8] = &[
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
        0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f,
        0x15, 0xc4, 0x89, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8,
        0xcf, 0xc0, 0xf0, 0x1f, 0x00, 0x05, 0x00, 0x01, 0xff, 0x89, 0x99, 0x3d, 0x1d, 0x00, 0x00,
        0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
    ];
    match kind {
        MediaKind::Image => ("image/png", PNG),
        MediaKind::Video => ("video/mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"),
        MediaKind::Audio => ("audio/ogg; codecs=opus", b"OggS\0\x02\0\0\0\0\0\0\0\0OpusHead"),
        MediaKind::Document => (
            "application/pdf",
            b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
        ),
        MediaKind::Sticker => (
            "image/webp",
            b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0",
        ),
    }
}

/// Keeps a file of a number: bytes first, then the row.
pub(crate) async fn store(
    core: &Arc<Core>,
    number_id: &str,
    mime_type: &str,
    bytes: &[u8],
    days: i64,
) -> Result<Media, GraphError> {
    let (id, waba_id) = core.peek(|world| {
        let waba_id = world.numbers.get(number_id).map(|number| number.waba_id.clone());
        (world.mint(Kind::Media), waba_id)
    });
    let waba_id = waba_id.ok_or_else(|| GraphError::no_object("POST", number_id))?;
    let media = Media {
        id,
        number_id: number_id.to_owned(),
        waba_id,
        mime_type: mime_type.to_owned(),
        sha256_hex: hex::encode(Sha256::digest(bytes)),
        size: bytes.len() as u64,
        expires_us: core.now_us() + days * DAY_US,
    };
    let kept = async {
        let mut file = tokio::fs::File::create(core.media_path(&media.id)).await?;
        file.write_all(bytes).await?;
        file.sync_all().await
    };
    kept.await.map_err(|_full| GraphError::out_of_service(500))?;
    core.act(|world| world.media.put(&mut world.pending, media.clone())).await?;
    Ok(media)
}

/// `POST /{number}/media`.
pub(crate) async fn upload(work: Work<'_>, number_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        caller.number(world, call, number_id)?;
        caller.need(access::MESSAGING)
    })?;
    if call.method != "POST" {
        return Err(GraphError::no_object(&call.method, number_id));
    }
    if call.required("messaging_product")? != "whatsapp" {
        return Err(GraphError::one_of("messaging_product", &["WHATSAPP"], ""));
    }
    let file = call.file.as_ref().ok_or_else(|| GraphError::missing("file"))?;
    // The part's own type counts; `type` stands in for clients that send none.
    let generic = |mime: &String| bare(mime) == "application/octet-stream";
    let mime = file.content_type.clone().filter(|mime| !generic(mime)).or_else(|| call.str("type"));
    let mime = mime.or_else(|| file.content_type.clone()).unwrap_or_default();
    let kind =
        MediaKind::ALL.into_iter().find(|kind| kind.mime_types().contains(&bare(&mime).as_str()));
    let Some(kind) = kind else {
        let all: Vec<_> =
            MediaKind::ALL.iter().flat_map(|kind| kind.mime_types()).copied().collect();
        return Err(GraphError::param(format!(
            "Param file must be a file with one of the following types: {}. Received file of type '{mime}'.",
            all.join(", ")
        )));
    };
    if file.bytes.len() as u64 > kind.largest() {
        return Err(GraphError::param("Param file is larger than its type may be."));
    }
    let media = store(core, number_id, &mime, &file.bytes, 30).await?;
    Ok(Reply::Json(json!({"id": media.id})))
}

/// The address of a file, good for five minutes.
pub(crate) fn media_url(id: &str, base_url: &str, now_us: i64) -> String {
    let ends = now_us / 1_000_000 + 300;
    let mut url = format!("{base_url}/whatsapp_business/attachments/?mid={id}&ext={ends}");
    // Writing to a String cannot fail.
    let _infallible = write!(url, "&hash={}", seal(id, ends));
    url
}

fn seal(id: &str, ends: i64) -> String {
    let digest = Sha256::digest(format!("{id}:{ends}"));
    format!("ATt{}", hex::encode(digest).get(..32).unwrap_or_default())
}

/// `GET|DELETE /{media}`.
pub(crate) async fn serve(work: Work<'_>, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let now = core.now_us();
    let media = core.peek(|world| {
        let caller = access::caller(world, call, now)?;
        let media = world.media.get(id).filter(|media| media.expires_us > now);
        let media = media.ok_or_else(|| GraphError::no_object(&call.method, id))?;
        caller
            .waba(world, call, &media.waba_id)
            .map_err(|_foreign| GraphError::no_object(&call.method, id))?;
        caller.need(access::MESSAGING)?;
        if call.str("phone_number_id").is_some_and(|number| number != media.number_id) {
            return Err(GraphError::no_object(&call.method, id));
        }
        Ok(media.clone())
    })?;
    match call.method.as_str() {
        "GET" => Ok(Reply::Json(json!({
            "messaging_product": "whatsapp", "url": media_url(id, &call.base_url, now), "id": id,
            "mime_type": media.mime_type, "sha256": media.sha256_hex, "file_size": media.size,
        }))),
        "DELETE" => {
            core.act(|world| {
                world.media.remove(&mut world.pending, id);
                world.forget(id);
            })
            .await?;
            // The row is gone; a file that stays is only space.
            tokio::fs::remove_file(core.media_path(id)).await.ok();
            Ok(success())
        }
        other => Err(GraphError::no_object(other, id)),
    }
}

/// `GET /whatsapp_business/attachments/?mid=…`: the bytes.
pub(crate) async fn download(work: Work<'_>) -> Answer {
    let Work { core, call, .. } = work;
    let now = core.now_us();
    let gone = || GraphError::new(404, 100, "The URL has expired or is not valid.");
    let id = call.str("mid").unwrap_or_default();
    let ends = call.str("ext").and_then(|ends| ends.parse::<i64>().ok()).unwrap_or_default();
    let media = core.peek(|world| {
        let caller = access::caller(world, call, now)?;
        let media = world.media.get(&id).filter(|media| media.expires_us > now).ok_or_else(gone)?;
        caller.waba(world, call, &media.waba_id).map_err(|_foreign| gone())?;
        Ok::<_, GraphError>(media.clone())
    })?;
    if ends < now / 1_000_000 || call.str("hash").as_deref() != Some(seal(&id, ends).as_str()) {
        return Err(gone());
    }
    let bytes = tokio::fs::read(core.media_path(&id)).await.map_err(|_lost| gone())?;
    Ok(Reply::Bytes(media.mime_type, Bytes::from(bytes)))
}
