//! The resumable upload: a session, bytes from an offset, and a handle that belongs to the app.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::model::Upload;

use super::access;
use super::error::GraphError;
use super::{Answer, Reply, Work};

const TYPES: [&str; 5] = ["application/pdf", "image/jpeg", "image/jpg", "image/png", "video/mp4"];

/// `POST /{app}/uploads`.
pub(crate) async fn begin(work: Work<'_>, app_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    core.peek(|world| access::caller(world, call, core.now_us())?.own_app(call, app_id))?;
    let file_type = call.required("file_type")?;
    if !TYPES.contains(&file_type.as_str()) {
        return Err(GraphError::one_of("file_type", &TYPES, &file_type));
    }
    let length = call.required("file_length")?.parse::<u64>().ok().filter(|length| *length > 0);
    let length =
        length.ok_or_else(|| GraphError::param("Param file_length must be a positive number."))?;
    let upload = Upload {
        id: format!("upload:{}?sig={}", crate::ids::alphanumeric(32), crate::ids::alphanumeric(16)),
        app_id: app_id.to_owned(),
        file_type,
        length,
        offset: 0,
        handle: None,
    };
    let id = upload.id.clone();
    core.act(|world| world.uploads.put(&mut world.pending, upload)).await?;
    Ok(Reply::Json(json!({"id": id})))
}

/// `POST|GET /upload:<session>`.
pub(crate) async fn proceed(work: Work<'_>, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let upload = core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        let upload = world.uploads.get(id).filter(|upload| upload.app_id == caller.app_id);
        upload.cloned().ok_or_else(|| GraphError::no_object(&call.method, id))
    })?;
    if call.method == "GET" {
        return Ok(Reply::Json(json!({"id": id, "file_offset": upload.offset})));
    }
    let offset = call.header("file_offset").and_then(|text| text.parse::<u64>().ok());
    let offset = offset.ok_or_else(|| GraphError::missing("file_offset"))?;
    if offset != upload.offset {
        return Err(GraphError::param(format!("Param file_offset must be {}.", upload.offset)));
    }
    let path = core.config.data.join("media").join(format!("upload-{}", session(id)));
    let append = async {
        let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(&path).await?;
        file.write_all(&call.raw).await?;
        file.sync_all().await
    };
    append.await.map_err(|_full| GraphError::out_of_service(500))?;
    let reached = offset + call.raw.len() as u64;
    let whole = reached >= upload.length;
    let handle = format!("4::{}", crate::ids::alphanumeric(60));
    core.act(|world| {
        world.uploads.change(&mut world.pending, id, |upload| {
            upload.offset = reached;
            upload.handle = whole.then(|| handle.clone());
        });
    })
    .await?;
    if whole {
        Ok(Reply::Json(json!({"h": handle})))
    } else {
        Ok(Reply::Json(json!({"id": id, "file_offset": reached})))
    }
}

/// The part of a session id that can name a file.
fn session(id: &str) -> String {
    id.chars().skip("upload:".len()).take_while(char::is_ascii_alphanumeric).collect()
}
