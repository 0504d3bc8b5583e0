//! What the C API of wasmtime lacks and Canopy needs; promises and ownership are in canopy_engine.h.
//!
//! The casts between C types and Rust types rest on wasmtime-c-api-impl 48.0.8, where each of those C
//! structs is one field in a transparent or C layout: look at them again when the version changes.

#![allow(non_camel_case_types)]
#![allow(clippy::missing_safety_doc)] // the contracts are in canopy_engine.h

use std::any::Any;
use std::ffi::{CStr, c_char, c_void};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, Waker};

use wasmtime::{
    Enabled, Error, Extern, ExternType, Instance, InstancePre, Linker, Module, ModuleExport,
    PoolingAllocationConfig, Result, Trap, TypedFunc, bail,
};
pub use wasmtime_c_api::*;
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn canopy_pooling_pagemap_scan(
    config: *mut wasmtime_pooling_allocation_config_t,
) -> bool {
    let config = unsafe { &mut *config.cast::<PoolingAllocationConfig>() };
    config.pagemap_scan(Enabled::Auto);
    PoolingAllocationConfig::is_pagemap_scan_available()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn canopy_pooling_gc_heaps(
    config: *mut wasmtime_pooling_allocation_config_t,
    count: u32,
) {
    unsafe { &mut *config.cast::<PoolingAllocationConfig>() }.total_gc_heaps(count);
}

// One call: instantiate, then the entry.

pub struct canopy_entry_t {
    start: Start,
    export: ModuleExport,
    returns_i32: bool,
}

enum Start {
    Module(InstancePre<WasmtimeStoreData>),
    Hosted(Hosted),
}

// Code that several functions share, over a memory that belongs to one of them.
struct Hosted {
    code: Module,
    image: InstancePre<WasmtimeStoreData>,
    memory: ModuleExport,
    imports: Vec<HostedImport>,
    linker: *const Linker<WasmtimeStoreData>,
}

enum HostedImport {
    Memory,
    Host(String, String),
}

impl Start {
    async fn instantiate(&self, store: &mut WasmtimeStoreContextMut<'_>) -> Result<Instance> {
        match self {
            Start::Module(pre) => pre.instantiate_async(store).await,
            Start::Hosted(hosted) => hosted.instantiate(store).await,
        }
    }
}

impl Hosted {
    async fn instantiate(&self, store: &mut WasmtimeStoreContextMut<'_>) -> Result<Instance> {
        let image = self.image.instantiate_async(&mut *store).await?;
        // SAFETY: the linker outlives the entry, says canopy_engine.h.
        let linker = unsafe { &*self.linker };
        let mut imports = Vec::<Extern>::with_capacity(self.imports.len());
        for import in &self.imports {
            let found = match import {
                HostedImport::Memory => image.get_module_export(&mut *store, &self.memory),
                HostedImport::Host(module, name) => linker.get(&mut *store, module, name).ok(),
            };
            imports.push(found.expect("find_hosted saw it"));
        }
        Instance::new_async(&mut *store, &self.code, &imports).await
    }
}

fn find_hosted(
    linker: &Linker<WasmtimeStoreData>,
    code: &Module,
    image: &InstancePre<WasmtimeStoreData>,
) -> Result<Start> {
    let Some(memory) = image.module().get_export_index("memory") else {
        bail!("the image exports no `memory`");
    };
    let mut imports = Vec::new();
    for import in code.imports() {
        imports.push(match import.ty() {
            ExternType::Memory(_) => HostedImport::Memory,
            _ => HostedImport::Host(import.module().to_string(), import.name().to_string()),
        });
    }
    let (code, image) = (code.clone(), image.clone());
    Ok(Start::Hosted(Hosted { code, image, memory, imports, linker }))
}

fn find_entry(module: &Module, start: Start, name: &[u8]) -> Result<canopy_entry_t> {
    let name = std::str::from_utf8(name)?;
    let Some(ExternType::Func(ty)) = module.get_export(name) else {
        bail!("the module exports no function `{name}`");
    };
    let results: Vec<_> = ty.results().collect();
    let returns_i32 = match results[..] {
        [] => false,
        [wasmtime::ValType::I32] => true,
        _ => bail!("the function `{name}` must return nothing or one i32"),
    };
    if ty.params().len() != 0 {
        bail!("the function `{name}` must take no parameters");
    }
    let export = module.get_export_index(name).expect("it was found above");
    Ok(canopy_entry_t { start, export, returns_i32 })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn canopy_entry_new(
    pre: *const wasmtime_instance_pre_t,
    name: *const c_char,
    name_len: usize,
    entry: &mut *mut canopy_entry_t,
) -> *mut wasmtime_error_t {
    let pre = unsafe { &*pre.cast::<InstancePre<WasmtimeStoreData>>() };
    let name = unsafe { bytes(name.cast(), name_len) };
    answer(
        || find_entry(pre.module(), Start::Module(pre.clone()), name),
        |found| *entry = Box::into_raw(Box::new(found)),
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn canopy_hosted_entry_new(
    linker: *const wasmtime_linker_t,
    code: *const wasmtime_module_t,
    image: *const wasmtime_instance_pre_t,
    name: *const c_char,
    name_len: usize,
    entry: &mut *mut canopy_entry_t,
) -> *mut wasmtime_error_t {
    let linker = unsafe { &*linker.cast::<Linker<WasmtimeStoreData>>() };
    let code = unsafe { &*code.cast::<Module>() };
    let image = unsafe { &*image.cast::<InstancePre<WasmtimeStoreData>>() };
    let name = unsafe { bytes(name.cast(), name_len) };
    answer(
        || find_entry(code, find_hosted(linker, code, image)?, name),
        |found| *entry = Box::into_raw(Box::new(found)),
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn canopy_entry_delete(_: Option<Box<canopy_entry_t>>) {}

async fn run_entry(
    entry: &canopy_entry_t,
    mut store: WasmtimeStoreContextMut<'_>,
    instance: *mut Instance,
    result: &mut i32,
) -> Result<()> {
    let made = entry.start.instantiate(&mut store).await?;
    // Through a pointer, because host functions may read it while the guest runs.
    unsafe { instance.write(made) };
    let export = made.get_module_export(&mut store, &entry.export);
    let func = export.and_then(|e| e.into_func()).expect("find_entry saw a function");
    *result = 0;
    // SAFETY: find_entry checked the type.
    if entry.returns_i32 {
        let func = unsafe { TypedFunc::<(), i32>::new_unchecked(&store, func) };
        *result = func.call_async(&mut store, ()).await?;
    } else {
        let func = unsafe { TypedFunc::<(), ()>::new_unchecked(&store, func) };
        func.call_async(&mut store, ()).await?;
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn canopy_call_start<'a>(
    entry: &'a canopy_entry_t,
    store: WasmtimeStoreContextMut<'a>,
    instance: *mut Instance,
    result: &'a mut i32,
    trap: &'a mut *mut wasm_trap_t,
    error: &'a mut *mut wasmtime_error_t,
) -> *mut wasmtime_call_future_t<'a> {
    let call = async move {
        match run_entry(entry, store, instance, result).await {
            Ok(()) => {}
            // wasm_trap_t is one Error.
            Err(e) if e.is::<Trap>() => *trap = Box::into_raw(Box::new(e)).cast(),
            Err(e) => *error = give(e),
        }
    };
    let future: Pin<Box<dyn Future<Output = ()> + 'a>> = Box::pin(call);
    Box::into_raw(Box::new(future)).cast() // wasmtime_call_future_t is one such future
}

// Snapshots.

pub struct canopy_wizer_t {
    wizer: Wizer,
    wasm: Vec<u8>,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn canopy_wizer_instrument(
    wasm: *const u8,
    wasm_len: usize,
    init: *const c_char,
    keep_init: bool,
    instrumented: &mut wasm_byte_vec_t,
    error: &mut *mut wasmtime_error_t,
) -> *mut canopy_wizer_t {
    let wasm = unsafe { bytes(wasm, wasm_len) }.to_vec();
    let init = unsafe { CStr::from_ptr(init) };
    let mut handle = ptr::null_mut();
    *error = answer(
        || {
            let mut wizer = Wizer::new();
            wizer.init_func(init.to_str()?).keep_init_func(keep_init);
            let (_, instrumented) = wizer.instrument(&wasm)?;
            Ok((instrumented, canopy_wizer_t { wizer, wasm }))
        },
        |(bytes, wizer)| {
            instrumented.set_buffer(bytes);
            handle = Box::into_raw(Box::new(wizer));
        },
    );
    handle
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn canopy_wizer_snapshot(
    handle: &canopy_wizer_t,
    state: *const canopy_wizer_state_t,
    snapshot: &mut wasm_byte_vec_t,
) -> *mut wasmtime_error_t {
    let mut state = State(unsafe { &*state });
    answer(
        || {
            // Again, because the context borrows the bytes that the handle owns; it takes milliseconds.
            let (context, _) = handle.wizer.instrument(&handle.wasm)?;
            let mut future = Box::pin(handle.wizer.snapshot(&context, &mut state));
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(done) => done,
                Poll::Pending => bail!("the snapshot waits for something that never comes"),
            }
        },
        |bytes| snapshot.set_buffer(bytes),
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn canopy_wizer_delete(_: Option<Box<canopy_wizer_t>>) {}

#[repr(C)]
pub struct canopy_wizer_state_t {
    env: *mut c_void,
    global_get: extern "C" fn(*mut c_void, *const u8, usize, &mut wasmtime_val_t) -> bool,
    memory_get: extern "C" fn(*mut c_void, *const u8, usize, &mut *const u8, &mut usize) -> bool,
}

struct State<'a>(&'a canopy_wizer_state_t);

// SAFETY: the future is polled to its end on the thread that made it.
unsafe impl Send for State<'_> {}

impl InstanceState for State<'_> {
    async fn global_get(&mut self, name: &str, ty: ValType) -> SnapshotVal {
        let mut value = wasmtime_val_t { kind: WASMTIME_I32, of: wasmtime_val_union { i64: 0 } };
        if !(self.0.global_get)(self.0.env, name.as_ptr(), name.len(), &mut value) {
            panic!("the instance has no global `{name}`");
        }
        // SAFETY: the kind says which member was written.
        match (ty, value.kind) {
            (ValType::I32, WASMTIME_I32) => SnapshotVal::I32(unsafe { value.of.i32 }),
            (ValType::I64, WASMTIME_I64) => SnapshotVal::I64(unsafe { value.of.i64 }),
            (ValType::F32, WASMTIME_F32) => SnapshotVal::F32(unsafe { value.of.f32 }),
            (ValType::F64, WASMTIME_F64) => SnapshotVal::F64(unsafe { value.of.f64 }),
            (ValType::V128, WASMTIME_V128) => {
                SnapshotVal::V128(u128::from_le_bytes(unsafe { value.of.v128 }))
            }
            _ => panic!("the global `{name}` was not answered as {ty}"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let (mut data, mut len) = (ptr::null(), 0);
        if !(self.0.memory_get)(self.0.env, name.as_ptr(), name.len(), &mut data, &mut len) {
            panic!("the instance has no memory `{name}`");
        }
        contents(unsafe { bytes(data, len) });
    }
}

// Between C and Rust.

unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, len) } }
}

fn give(e: Error) -> *mut wasmtime_error_t {
    Box::into_raw(Box::new(wasmtime_error_t::from(e)))
}

/// Runs `work`, hands what it made to `take`, and turns an error or a panic into a C error.
fn answer<T>(work: impl FnOnce() -> Result<T>, take: impl FnOnce(T)) -> *mut wasmtime_error_t {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => {
            take(value);
            ptr::null_mut()
        }
        Ok(Err(e)) => give(e),
        Err(panic) => give(Error::msg(panic_message(&*panic))),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("the engine panicked").to_string()
}
