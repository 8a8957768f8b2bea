//! A stand-in for the portals that the real one of these tests is not: one that tells of the pointer, of damage and of
//! crops, that shares windows, and whose PipeWire stream shows what a test says. Only PipeWire is real in it.

use crate::rig::LIMIT;
use futures_lite::future::block_on;
use model::{Point, Rect, Size};
use pipewire::{
    channel,
    context::ContextRc,
    keys,
    main_loop::MainLoopRc,
    properties::properties,
    spa::{
        param::{
            ParamType,
            format::{FormatProperties, MediaSubtype, MediaType},
            video::VideoFormat,
        },
        pod::{Object, Pod, Property, PropertyFlags, Value, object, property, serialize::PodSerializer},
        sys,
        utils::{Direction, Fraction, Id, Rectangle, SpaTypes},
    },
    stream::{Stream, StreamFlags, StreamRc},
};
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    env,
    io::Cursor,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    rc::Rc,
    slice,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use zbus::{
    Connection, fdo, interface,
    message::Header,
    object_server::SignalEmitter,
    zvariant::{self, OwnedObjectPath, OwnedValue, Value as BusValue},
};

const NAME: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const MONITOR: u32 = 1;
const WINDOW: u32 = 2;
const METADATA: u32 = 4;
/// Between two buffers.
const STEP: Duration = Duration::from_millis(20);

/// One buffer of the stream.
#[derive(Debug, Clone)]
pub struct Shot {
    /// The colour of every pixel, as 0xRRGGBB; none for a buffer that has no picture.
    pub color: Option<u32>,
    /// And that of these.
    pub patches: Vec<(Rect, u32)>,
    pub damage: Vec<Rect>,
    pub crop: Option<Rect>,
    /// Where the pointer is: 0 for nowhere, else with a shape of 2×2 pixels of this colour (0xAARRGGBB).
    pub pointer: Option<(u32, Point, Option<u32>)>,
}

impl Shot {
    pub fn of(color: u32) -> Self {
        Self { color: Some(color), patches: Vec::new(), damage: Vec::new(), crop: None, pointer: None }
    }
}

enum Order {
    Show(Shot),
    Resize(Size),
    End,
}

/// What survives a portal, as its permission store does.
#[derive(Default)]
pub struct Store {
    pub questions: AtomicU32,
    pub refuses: AtomicBool,
    tokens: AtomicU32,
}

/// A running stand-in.
pub struct StandIn {
    connection: Option<Connection>,
    shared: Arc<Shared>,
    orders: channel::Sender<Order>,
    producer: Option<JoinHandle<()>>,
}

struct Shared {
    store: Arc<Store>,
    node: u32,
    wants: Mutex<Wants>,
}

/// What was asked for, in the newest session.
#[derive(Debug, Clone, Default)]
pub struct Wants {
    client: String,
    session: String,
    types: u32,
    cursor: u32,
    persist: u32,
    token: Option<String>,
}

impl StandIn {
    /// Shows nothing yet. With `as_gpu` its memory is called a GPU's, which it is not.
    pub fn start(store: &Arc<Store>, size: Size, as_gpu: bool) -> Self {
        let (orders, orders_in) = channel::channel();
        let (node, node_in) = mpsc::channel();
        let producer = thread::Builder::new().name("producer".to_owned());
        let producer = producer.spawn(move || produce(size, as_gpu, orders_in, &node)).unwrap();
        let node = node_in.recv_timeout(LIMIT).unwrap();
        let shared = Arc::new(Shared { store: Arc::clone(store), node, wants: Mutex::default() });
        let portal = ScreenCast(Arc::clone(&shared));
        let connection = block_on(async {
            let builder = zbus::connection::Builder::session()?.serve_at(PATH, portal)?;
            builder.name(NAME)?.build().await
        });
        Self { connection: Some(connection.unwrap()), shared, orders, producer: Some(producer) }
    }

    pub fn show(&self, shot: Shot) {
        self.orders.send(Order::Show(shot)).ok().unwrap();
    }

    pub fn resize(&self, size: Size) {
        self.orders.send(Order::Resize(size)).ok().unwrap();
    }

    /// The session is over, as after a click on "stop sharing", or as the shared window closes.
    pub fn close_session(&self) {
        let wants = self.shared.wants.lock().unwrap().clone();
        let about: HashMap<&str, BusValue<'_>> = HashMap::new();
        let connection = self.connection.as_ref().unwrap();
        let body = (about,);
        let closed = connection.emit_signal(
            Some(wants.client.as_str()),
            wants.session.as_str(),
            "org.freedesktop.portal.Session",
            "Closed",
            &body,
        );
        block_on(closed).unwrap();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let connection = self.connection.take().unwrap();
        let _ = block_on(connection.close());
        let _ = self.orders.send(Order::End);
        let _ = self.producer.take().unwrap().join();
    }
}

struct ScreenCast(Arc<Shared>);

type Options = HashMap<String, OwnedValue>;

fn text(options: &Options, name: &str) -> Option<String> {
    options.get(name).and_then(|value| value.downcast_ref::<String>().ok())
}

fn number(options: &Options, name: &str) -> u32 {
    options.get(name).and_then(|value| value.downcast_ref::<u32>().ok()).unwrap_or(0)
}

/// Answers a request, as portals do: by a signal of an object that the client has named.
async fn respond(
    emitter: &SignalEmitter<'_>,
    header: &Header<'_>,
    options: &Options,
    code: u32,
    results: HashMap<&str, BusValue<'_>>,
) -> fdo::Result<OwnedObjectPath> {
    let sender = header.sender().unwrap().to_string();
    let token = text(options, "handle_token").unwrap();
    let path = format!("{PATH}/request/{}/{token}", sender[1..].replace('.', "_"));
    let interface = "org.freedesktop.portal.Request";
    let connection = emitter.connection();
    connection
        .emit_signal(Some(sender.as_str()), path.as_str(), interface, "Response", &(code, results))
        .await
        .unwrap();
    Ok(OwnedObjectPath::try_from(path).unwrap())
}

#[interface(name = "org.freedesktop.portal.ScreenCast")]
impl ScreenCast {
    #[zbus(property)]
    fn available_source_types(&self) -> u32 {
        MONITOR | WINDOW
    }

    #[zbus(property)]
    fn available_cursor_modes(&self) -> u32 {
        1 | 2 | METADATA
    }

    #[zbus(property, name = "version")]
    fn version(&self) -> u32 {
        4
    }

    async fn create_session(
        &self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        #[zbus(header)] header: Header<'_>,
        options: Options,
    ) -> fdo::Result<OwnedObjectPath> {
        let client = header.sender().unwrap().to_string();
        let token = text(&options, "session_handle_token").unwrap();
        let session = format!("{PATH}/session/{}/{token}", client[1..].replace('.', "_"));
        *self.0.wants.lock().unwrap() = Wants { client, session: session.clone(), ..Wants::default() };
        let results = HashMap::from([("session_handle", BusValue::from(session))]);
        respond(&emitter, &header, &options, 0, results).await
    }

    async fn select_sources(
        &self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        #[zbus(header)] header: Header<'_>,
        _session: OwnedObjectPath,
        options: Options,
    ) -> fdo::Result<OwnedObjectPath> {
        {
            let mut wants = self.0.wants.lock().unwrap();
            wants.types = number(&options, "types");
            wants.cursor = number(&options, "cursor_mode");
            wants.persist = number(&options, "persist_mode");
            wants.token = text(&options, "restore_token");
        }
        respond(&emitter, &header, &options, 0, HashMap::new()).await
    }

    async fn start(
        &self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        #[zbus(header)] header: Header<'_>,
        _session: OwnedObjectPath,
        _window: String,
        options: Options,
    ) -> fdo::Result<OwnedObjectPath> {
        let (store, wants) = (&self.0.store, self.0.wants.lock().unwrap().clone());
        assert_eq!((wants.cursor, wants.persist), (METADATA, 2), "the best is asked for");
        let newest = store.tokens.load(Ordering::Relaxed);
        if wants.token != Some(format!("token {newest}")) {
            store.questions.fetch_add(1, Ordering::Relaxed);
            if store.refuses.load(Ordering::Relaxed) {
                return respond(&emitter, &header, &options, 1, HashMap::new()).await;
            }
        }
        let token = format!("token {}", store.tokens.fetch_add(1, Ordering::Relaxed) + 1);
        let about = HashMap::from([("source_type", BusValue::from(wants.types))]);
        let streams = BusValue::from(vec![(self.0.node, about)]);
        let results = HashMap::from([("streams", streams), ("restore_token", BusValue::from(token))]);
        respond(&emitter, &header, &options, 0, results).await
    }

    fn open_pipe_wire_remote(&self, _session: OwnedObjectPath, _options: Options) -> zvariant::OwnedFd {
        let socket = PathBuf::from(env::var_os("XDG_RUNTIME_DIR").unwrap()).join("pipewire-0");
        OwnedFd::from(UnixStream::connect(socket).unwrap()).into()
    }
}

/// A PipeWire stream that shows what it is told, until told to end.
fn produce(size: Size, as_gpu: bool, orders: channel::Receiver<Order>, node: &mpsc::Sender<u32>) {
    pipewire::init();
    let main = MainLoopRc::new(None).unwrap();
    let context = ContextRc::new(&main, None).unwrap();
    let core = context.connect_rc(None).unwrap();
    let about = properties! { *keys::MEDIA_CLASS => "Video/Source", *keys::NODE_NAME => "stand-in" };
    let stream = StreamRc::new(core, "stand-in", about).unwrap();
    let size = Rc::new(Cell::new(size));
    let agreed = Rc::clone(&size);
    let told = Cell::new(false);
    let node = node.clone();
    let listener = stream
        .add_local_listener::<()>()
        .state_changed(move |stream, (), _, _| {
            if stream.node_id() != u32::MAX && !told.replace(true) {
                node.send(stream.node_id()).unwrap();
            }
        })
        .param_changed(move |stream, (), id, param| {
            if id == ParamType::Format.as_raw() && param.is_some() {
                let memory = memory(agreed.get(), as_gpu);
                stream.update_params(&mut pods(&memory)).unwrap();
            }
        })
        .add_buffer(move |_, (), buffer| {
            if as_gpu {
                give_memory(buffer)
            }
        })
        .register()
        .unwrap();
    let mut flags = StreamFlags::DRIVER | StreamFlags::MAP_BUFFERS;
    if as_gpu {
        flags |= StreamFlags::ALLOC_BUFFERS;
    }
    let formats = [format(size.get(), as_gpu)];
    stream.connect(Direction::Output, None, flags, &mut pods(&formats)).unwrap();
    let (showing, quit) = (stream.clone(), main.clone());
    let waiting = Rc::new(RefCell::new(VecDeque::new()));
    let (queue, shown) = (Rc::clone(&waiting), Rc::clone(&size));
    // Buffers come back when the other end has looked at them.
    let timer = main.loop_().add_timer({
        let stream = stream.clone();
        move |_| {
            let mut queue = queue.borrow_mut();
            if queue.front().is_some_and(|shot| write(&stream, shown.get(), shot)) {
                queue.pop_front();
            }
        }
    });
    timer.update_timer(Some(STEP), Some(STEP)).into_result().unwrap();
    let attached = orders.attach(main.loop_(), move |order| match order {
        Order::Show(shot) => waiting.borrow_mut().push_back(shot),
        Order::Resize(to) => {
            size.set(to);
            let formats = [format(to, as_gpu)];
            showing.update_params(&mut pods(&formats)).unwrap();
        }
        Order::End => quit.quit(),
    });
    main.run();
    drop((attached, timer, listener));
}

fn bytes(object: Object) -> Vec<u8> {
    PodSerializer::serialize(Cursor::new(Vec::new()), &Value::Object(object)).unwrap().0.into_inner()
}

fn pods(bytes: &[Vec<u8>]) -> Vec<&Pod> {
    bytes.iter().map(|bytes| Pod::from_bytes(bytes).unwrap()).collect()
}

fn format(size: Size, as_gpu: bool) -> Vec<u8> {
    let mut object = object!(
        SpaTypes::ObjectParamFormat,
        ParamType::EnumFormat,
        property!(FormatProperties::MediaType, Id, MediaType::Video),
        property!(FormatProperties::MediaSubtype, Id, MediaSubtype::Raw),
        property!(FormatProperties::VideoFormat, Id, VideoFormat::RGBA),
        property!(
            FormatProperties::VideoSize,
            Rectangle,
            Rectangle { width: size.width, height: size.height }
        ),
        property!(FormatProperties::VideoFramerate, Fraction, Fraction { num: 0, denom: 1 }),
    );
    if as_gpu {
        object.properties.push(Property {
            key: FormatProperties::VideoModifier.as_raw(),
            flags: PropertyFlags::MANDATORY,
            value: Value::Long(0),
        });
    }
    bytes(object)
}

fn memory(size: Size, as_gpu: bool) -> Vec<Vec<u8>> {
    let kind = if as_gpu { sys::SPA_DATA_DmaBuf } else { sys::SPA_DATA_MemFd };
    let int = |value: usize| Value::Int(value as i32);
    let stride = 4 * size.width as usize;
    let buffers = object!(
        SpaTypes::ObjectParamBuffers,
        ParamType::Buffers,
        Property::new(sys::SPA_PARAM_BUFFERS_buffers, int(4)),
        Property::new(sys::SPA_PARAM_BUFFERS_blocks, int(1)),
        Property::new(sys::SPA_PARAM_BUFFERS_size, int(stride * size.height as usize)),
        Property::new(sys::SPA_PARAM_BUFFERS_stride, int(stride)),
        Property::new(sys::SPA_PARAM_BUFFERS_dataType, int(1 << kind)),
    );
    let meta = |kind, size| {
        bytes(object!(
            SpaTypes::ObjectParamMeta,
            ParamType::Meta,
            Property::new(sys::SPA_PARAM_META_type, Value::Id(Id(kind))),
            Property::new(sys::SPA_PARAM_META_size, int(size)),
        ))
    };
    vec![
        bytes(buffers),
        meta(sys::SPA_META_Header, size_of::<sys::spa_meta_header>()),
        meta(sys::SPA_META_VideoCrop, size_of::<sys::spa_meta_region>()),
        meta(sys::SPA_META_VideoDamage, 4 * size_of::<sys::spa_meta_region>()),
        meta(sys::SPA_META_Cursor, 28 + 20 + 16),
    ]
}

#[expect(unsafe_code, reason = "PipeWire gives addresses")]
fn give_memory(buffer: *mut pipewire::sys::pw_buffer) {
    // SAFETY: PipeWire asks for the memory of a buffer that it has just made.
    let data = unsafe { &mut *(*(*buffer).buffer).datas };
    let file = rustix::fs::memfd_create("no GPU", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&file, 1 << 22).unwrap();
    (data.type_, data.maxsize, data.mapoffset) = (sys::SPA_DATA_DmaBuf, 1 << 22, 0);
    data.flags = sys::SPA_DATA_FLAG_READWRITE;
    data.fd = i64::from(std::os::fd::IntoRawFd::into_raw_fd(file));
}

#[expect(unsafe_code, reason = "PipeWire gives addresses")]
fn write(stream: &Stream, size: Size, shot: &Shot) -> bool {
    // SAFETY: this is the thread of the stream's loop, which gives buffers that nobody else has until they are queued.
    unsafe {
        let raw = stream.dequeue_raw_buffer();
        if raw.is_null() {
            return false;
        }
        let buffer = &*(*raw).buffer;
        for meta in slice::from_raw_parts(buffer.metas, buffer.n_metas as usize) {
            let bytes = slice::from_raw_parts_mut(meta.data.cast::<u8>(), meta.size as usize);
            bytes.fill(0);
            let told = told(meta.type_, shot);
            bytes[..told.len()].copy_from_slice(&told);
        }
        let data = &mut *buffer.datas;
        let stride = 4 * size.width as usize;
        let length = if shot.color.is_some() { stride * size.height as usize } else { 0 };
        if let Some(color) = shot.color.filter(|_| data.type_ != sys::SPA_DATA_DmaBuf) {
            let pixels = slice::from_raw_parts_mut(data.data.cast::<u8>(), length);
            let areas = std::iter::once((Rect::whole(size), color)).chain(shot.patches.iter().copied());
            for (area, color) in areas {
                let [blue, green, red, _] = color.to_le_bytes();
                for y in area.y as usize..area.bottom() as usize {
                    let row = &mut pixels[y * stride + 4 * area.x as usize..][..4 * area.width as usize];
                    row.chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&[red, green, blue, 255]));
                }
            }
        }
        let chunk = &mut *data.chunk;
        (chunk.offset, chunk.size, chunk.stride, chunk.flags) = (0, length as u32, stride as i32, 0);
        stream.queue_raw_buffer(raw);
        pipewire::sys::pw_stream_trigger_process(stream.as_raw_ptr());
    }
    true
}

/// What is told beside a picture, as it lies in memory.
fn told(kind: u32, shot: &Shot) -> Vec<u8> {
    let rect = |rect: &Rect| [rect.x as u32, rect.y as u32, rect.width, rect.height];
    let words: Vec<u32> = match kind {
        sys::SPA_META_VideoCrop => shot.crop.iter().flat_map(rect).collect(),
        sys::SPA_META_VideoDamage => shot.damage.iter().flat_map(rect).collect(),
        sys::SPA_META_Header => {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let nanos = (now.tv_sec * 1_000_000_000 + now.tv_nsec) as u64;
            vec![0, 0, nanos as u32, (nanos >> 32) as u32]
        }
        sys::SPA_META_Cursor => {
            let Some((id, place, shape)) = shot.pointer else { return Vec::new() };
            let at = if shape.is_some() { 28 } else { 0 };
            let mut words = vec![id, 0, place.x as u32, place.y as u32, 1, 1, at];
            words.extend(shape.iter().flat_map(|color| {
                let format = sys::SPA_VIDEO_FORMAT_BGRA;
                [format, 2, 2, 8, 20, *color, *color, *color, *color]
            }));
            words
        }
        _ => Vec::new(),
    };
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}
