//! Calls any method of any contract by its descriptor: JSON in, JSON out, statuses as they came.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use prost::{Message as _, bytes::BufMut as _};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    Value as Field,
};
use proto::options::v1::{Access, Principal};
use serde_json::{Map, Value, json};
use tonic::{
    Request, Response, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::{MetadataKey, MetadataMap},
    transport::{Channel, Endpoint},
};

use super::text;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS).expect("our own descriptors"));

/// One method, with what its contract says of who may call it.
#[derive(Debug, Clone)]
pub(crate) struct Rpc {
    pub(crate) method: MethodDescriptor,
    pub(crate) access: Access,
}

impl Rpc {
    /// Every method of every contract.
    pub(crate) fn all() -> Vec<Self> {
        let option =
            POOL.get_extension_by_name("switchboard.options.v1.access").expect("the option");
        let methods = POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        methods
            .map(|method| {
                let options = method.options();
                let access = options.get_extension(&option);
                let access = access
                    .as_message()
                    .expect("a message")
                    .transcode_to()
                    .expect("an access option");
                Self { method, access }
            })
            .collect()
    }

    /// `/switchboard.assets.v1.TemplateService/EditTemplate`.
    pub(crate) fn path(&self) -> String {
        format!("/{}/{}", self.method.parent_service().full_name(), self.method.name())
    }

    /// The service that answers it: `assets`.
    pub(crate) fn callee(&self) -> String {
        self.method
            .parent_service()
            .package_name()
            .split('.')
            .nth(1)
            .expect("switchboard.<service>.v1")
            .to_owned()
    }

    /// `assets.EditTemplate`, for people; no two methods of a service share a name, but for `AdminService`'s.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.callee(), self.method.name())
    }

    /// Fields of its request.
    pub(crate) fn fields(&self) -> Vec<FieldDescriptor> {
        self.method.input().fields().collect()
    }

    pub(crate) fn is_for(&self, principal: Principal) -> bool {
        self.access.principals.contains(&i32::from(principal))
    }

    pub(crate) fn streams(&self) -> bool {
        self.method.is_server_streaming()
    }
}

/// The two headers that say who calls, and whatever else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers {
    /// The user's token.
    pub(crate) user: Option<String>,
    /// The calling service's token.
    pub(crate) service: Option<String>,
    /// More of them, in order; names may repeat.
    pub(crate) more: Vec<(&'static str, String)>,
}

impl Headers {
    fn write(&self, to: &mut MetadataMap) {
        let user = self.user.iter().map(|token| ("authorization", format!("Bearer {token}")));
        let service = self.service.iter().map(|token| ("x-switchboard-service", token.clone()));
        for (name, value) in user.chain(service).chain(self.more.iter().cloned()) {
            to.append(MetadataKey::from_static(name), value.parse().expect("a header value"));
        }
    }
}

/// Channels to all services of an installation.
#[derive(Debug, Clone)]
pub(crate) struct Channels(BTreeMap<String, Channel>);

impl Channels {
    /// To those that a dev.json names.
    pub(crate) fn new(dev_json: &Value) -> Self {
        let services = dev_json.get("grpc").and_then(Value::as_object).expect("grpc of dev.json");
        let open = |name: &String| {
            let address = format!("http://{}", text(dev_json, &format!("/grpc/{name}")));
            let endpoint = Endpoint::from_shared(address).expect("an address");
            (name.clone(), endpoint.connect_timeout(Duration::from_secs(5)).connect_lazy())
        };
        Self(services.keys().map(open).collect())
    }

    /// Calls a unary method.
    pub(crate) async fn call(
        &self,
        rpc: &Rpc,
        headers: &Headers,
        request: &Value,
    ) -> Result<Value, Status> {
        self.call_bytes(rpc, headers, bytes_of(&rpc.method.input(), request))
            .await
            .map(Response::into_inner)
    }

    /// Calls a unary method with whatever bytes.
    pub(crate) async fn call_bytes(
        &self,
        rpc: &Rpc,
        headers: &Headers,
        body: Vec<u8>,
    ) -> Result<Response<Value>, Status> {
        let mut client = self.client(rpc).await?;
        let answer =
            client.unary(request(headers, body), path(rpc), Dynamic(rpc.method.output())).await?;
        Ok(answer.map(|message| json_of(&message)))
    }

    /// Opens a stream.
    pub(crate) async fn open(
        &self,
        rpc: &Rpc,
        headers: &Headers,
        asked: &Value,
    ) -> Result<Items, Status> {
        let mut client = self.client(rpc).await?;
        let body = bytes_of(&rpc.method.input(), asked);
        let mut sent = request(headers, body);
        sent.set_timeout(Duration::from_mins(2));
        let answer = client.server_streaming(sent, path(rpc), Dynamic(rpc.method.output())).await?;
        Ok(Items(answer.into_inner()))
    }

    async fn client(&self, rpc: &Rpc) -> Result<Grpc<Channel>, Status> {
        let channel = self.0.get(&rpc.callee()).expect("a service of dev.json").clone();
        let mut client = Grpc::new(channel)
            .max_decoding_message_size(16 << 20)
            .max_encoding_message_size(64 << 20);
        client
            .ready()
            .await
            .map_err(|error| Status::unavailable(format!("no connection: {error}")))?;
        Ok(client)
    }
}

/// Items of an open stream.
#[derive(Debug)]
pub(crate) struct Items(Streaming<DynamicMessage>);

impl Items {
    /// The next item; none at the stream's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, Status> {
        Ok(self.0.message().await?.map(|message| json_of(&message)))
    }
}

fn path(rpc: &Rpc) -> http::uri::PathAndQuery {
    rpc.path().parse().expect("a path")
}

fn request(headers: &Headers, body: Vec<u8>) -> Request<Vec<u8>> {
    let mut request = Request::new(body);
    request.set_timeout(Duration::from_secs(20));
    headers.write(request.metadata_mut());
    request
}

/// Bytes out, messages by their descriptor in.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = Vec<u8>;
    type Decode = DynamicMessage;
    type Encoder = Verbatim;
    type Decoder = Reader;

    fn encoder(&mut self) -> Verbatim {
        Verbatim
    }

    fn decoder(&mut self) -> Reader {
        Reader(self.0.clone())
    }
}

struct Verbatim;

impl Encoder for Verbatim {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

struct Reader(MessageDescriptor);

impl Decoder for Reader {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let read = DynamicMessage::decode(self.0.clone(), from);
        read.map(Some)
            .map_err(|error| Status::data_loss(format!("the answer is not readable: {error}")))
    }
}

/// A message from JSON whose members are the fields by their contract's names.
pub(crate) fn bytes_of(descriptor: &MessageDescriptor, json: &Value) -> Vec<u8> {
    message_of(descriptor, json).encode_to_vec()
}

fn message_of(descriptor: &MessageDescriptor, json: &Value) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, value) in json.as_object().expect("an object") {
        let field = descriptor.get_field_by_name(name);
        let field =
            field.unwrap_or_else(|| panic!("{} has no field {name}", descriptor.full_name()));
        if value.is_null() {
            continue;
        }
        let read = match value {
            Value::Array(items) => {
                Field::List(items.iter().map(|item| field_of(&field, item)).collect())
            }
            one => field_of(&field, one),
        };
        message.set_field(&field, read);
    }
    message
}

fn field_of(field: &FieldDescriptor, value: &Value) -> Field {
    fn fit<T>(field: &FieldDescriptor, value: &Value, read: Option<T>) -> T {
        read.unwrap_or_else(|| panic!("{} can't be {value}", field.full_name()))
    }
    match field.kind() {
        Kind::String => Field::String(fit(field, value, value.as_str()).to_owned()),
        Kind::Bool => Field::Bool(fit(field, value, value.as_bool())),
        Kind::Int64 => Field::I64(fit(field, value, value.as_i64())),
        Kind::Uint64 => Field::U64(fit(field, value, value.as_u64())),
        Kind::Uint32 => {
            Field::U32(fit(field, value, value.as_u64().and_then(|n| u32::try_from(n).ok())))
        }
        Kind::Int32 => {
            Field::I32(fit(field, value, value.as_i64().and_then(|n| i32::try_from(n).ok())))
        }
        Kind::Enum(words) => {
            let number =
                value.as_str().and_then(|name| Some(words.get_value_by_name(name)?.number()));
            let number = number.or_else(|| value.as_i64().and_then(|n| i32::try_from(n).ok()));
            Field::EnumNumber(fit(field, value, number))
        }
        Kind::Message(inner) => Field::Message(message_of(&inner, value)),
        kind => panic!(
            "{} is a {kind:?}, which no request had so far: teach `field_of`",
            field.full_name()
        ),
    }
}

/// JSON of a message: every field that is set.
pub(crate) fn json_of(message: &DynamicMessage) -> Value {
    let fields = message
        .fields()
        .map(|(field, value)| (field.name().to_owned(), json_of_field(&field, value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn json_of_field(field: &FieldDescriptor, value: &Field) -> Value {
    match value {
        Field::Bool(value) => json!(value),
        Field::I32(value) => json!(value),
        Field::I64(value) => json!(value),
        Field::U32(value) => json!(value),
        Field::U64(value) => json!(value),
        Field::F32(value) => json!(value),
        Field::F64(value) => json!(value),
        Field::String(value) => json!(value),
        Field::Bytes(value) => json!(value.to_vec()),
        Field::EnumNumber(number) => match field.kind() {
            Kind::Enum(words) => {
                words.get_value(*number).map_or_else(|| json!(number), |word| json!(word.name()))
            }
            _ => json!(number),
        },
        Field::Message(message) => json_of(message),
        Field::List(items) => items.iter().map(|item| json_of_field(field, item)).collect(),
        Field::Map(_) => panic!("{} is a map, which no answer had so far", field.full_name()),
    }
}
