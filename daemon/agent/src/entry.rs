//! Where the JVM comes in: the question, the answer file, and nothing left behind.

#![allow(unsafe_code)]

use crate::{
    coordinator::Coordinator,
    env::{Java, Outcome},
    path::{self, Job},
    protocol::{
        ANSWERED_AGAIN, Answered, Ask, LONGEST_QUESTION, LedJob, NO_FILE, NO_QUESTION, NOT_ANSWERED,
        Question, Refusal,
    },
};
use jni_sys::{JavaVM, jint};
use rustix::{fs::OFlags, time::ClockId};
use std::{
    ffi::{CStr, c_char, c_void},
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether the library has answered in this JVM before.
static HAS_ANSWERED: AtomicBool = AtomicBool::new(false);

/// HotSpot calls this each time the library is loaded into a running JVM, on the thread that loads it.
///
/// Returns 0 when the answer was written for the first time, and otherwise one of the codes of [`crate::protocol`].
///
/// # Safety
/// As JVMTI has it: `vm` is the JVM that calls, `options` ends with a zero byte or is null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "system" fn Agent_OnAttach(
    vm: *mut JavaVM,
    options: *const c_char,
    _reserved: *mut c_void,
) -> jint {
    // A panic must not reach the JVM.
    catch_unwind(|| {
        // SAFETY: the caller's promise.
        unsafe { attached(vm, options) }
    })
    .unwrap_or(NOT_ANSWERED)
}

/// Answers the question.
///
/// # Safety
/// As for [`Agent_OnAttach`].
unsafe fn attached(vm: *mut JavaVM, options: *const c_char) -> jint {
    if vm.is_null() || options.is_null() {
        return NO_QUESTION;
    }
    // SAFETY: it is not null, and the caller promises the zero byte.
    let options = unsafe { CStr::from_ptr(options) }.to_bytes();
    let question = match serde_json::from_slice::<Question>(options) {
        Ok(question) if options.len() <= LONGEST_QUESTION => question,
        _ => return NO_QUESTION,
    };
    // First of all: what cannot be answered is not begun.
    let Ok(mut file) = open(&question.answer) else { return NO_FILE };
    let answer = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller's promise.
        unsafe { Java::with(vm, |java| answer(java, &question)) }
    }))
    .unwrap_or_else(|_| Err(Refusal::Failed { what: "the agent panicked".to_owned() }));
    match serde_json::to_vec(&answer).map(|answer| file.write_all(&answer)) {
        Ok(Ok(())) if HAS_ANSWERED.swap(true, Ordering::Relaxed) => ANSWERED_AGAIN,
        Ok(Ok(())) => 0,
        _ => NOT_ANSWERED,
    }
}

/// Opens the answer file, which must be there already, emptied; never through a link, and never waiting.
fn open(path: &str) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    file.set_len(0)?;
    Ok(file)
}

/// Whether the deadline has passed.
pub(crate) fn too_late(deadline: u64) -> bool {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    let millis = i128::from(now.tv_sec) * 1_000 + i128::from(now.tv_nsec) / 1_000_000;
    millis >= i128::from(deadline)
}

/// What is to be answered.
fn answer(java: &Java, question: &Question) -> Outcome<Answered> {
    if too_late(question.deadline) {
        return Err(Refusal::TooLate);
    }
    match &question.ask {
        Ask::Jobs => {
            let refusal = |job: &Job<'_>| Coordinator::of(job).and_then(|it| it.sight()).err();
            let led = |job: Job<'_>| LedJob { refusal: refusal(&job), job: job.id };
            Ok(Answered::Jobs(path::jobs(java)?.map(|job| job.map(led)).collect::<Outcome<_>>()?))
        }
        Ask::Read { job } => {
            let job = led(java, job)?;
            Ok(Answered::Read(Coordinator::of(&job)?.sight()?))
        }
        Ask::Change { job, values } => {
            let job = led(java, job)?;
            let (timeout_before, sight, updates) =
                Coordinator::of(&job)?.change(*values, question.deadline)?;
            Ok(Answered::Changed { sight, timeout_before, updates })
        }
    }
}

/// One of the jobs that this process leads.
fn led<'j>(java: &'j Java, wanted: &str) -> Outcome<Job<'j>> {
    for job in path::jobs(java)? {
        let job = job?;
        if job.id == wanted {
            return Ok(job);
        }
    }
    Err(Refusal::NoSuchJob)
}
