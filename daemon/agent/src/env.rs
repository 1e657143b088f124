//! The JVM on the thread that it called us on: classes, strings, exceptions, room for references.
//!
//! The `jni` crate is not used, because it keeps global references and static state of its own, in a JVM
//! that is not ours. All reaching into Java is here and in [`crate::object`]. What makes its functions safe
//! to call: a field or method is looked up by name and type in the class of the very object that it is used
//! with, references are freed when they are dropped, and no exception stays pending.

#![allow(unsafe_code)]

use crate::{object::Object, protocol::Refusal};
use jni_sys::{JNI_VERSION_1_8, JNIEnv, JavaVM, jfieldID, jint, jmethodID, jobject};
use std::{ffi::CStr, ptr};

/// What comes of a step, or why the question is refused.
pub(crate) type Outcome<T> = Result<T, Refusal>;

/// The type of a field: a class under `org.apache.flink.runtime`.
macro_rules! flink {
    ($class:literal) => {
        $crate::env::c_string(concat!("Lorg/apache/flink/runtime/", $class, ";\0"))
    };
}
pub(crate) use flink;

/// A literal that ends with a zero byte, as the JVM wants it.
pub(crate) const fn c_string(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("one zero byte, at the end"),
    }
}

/// A field: its name and its type, as descriptors have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field(pub(crate) &'static CStr, pub(crate) &'static CStr);

/// A method: its name and its type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method(pub(crate) &'static CStr, pub(crate) &'static CStr);

/// Calls a function of the JNI.
macro_rules! jni {
    ($java:expr, $version:ident . $name:ident $(, $arg:expr)*) => {{
        let env = $java.env;
        // SAFETY: a `Java` lives only while its environment is valid, on its own thread. References come from
        // an `Object`, which keeps them alive; ids were looked up in the class that they are used with.
        #[allow(clippy::macro_metavars_in_unsafe)]
        unsafe { ((**env).$version.$name)(env $(, $arg)*) }
    }};
}
pub(crate) use jni;

/// The JVM, on the thread that it called us on.
pub(crate) struct Java {
    pub(crate) env: *mut JNIEnv,
}

impl Java {
    /// Runs something with its own frame of references, and no exception pending before or after it.
    ///
    /// # Safety
    /// `vm` is the JVM that called this thread.
    pub(crate) unsafe fn with<T>(vm: *mut JavaVM, run: impl FnOnce(&Self) -> Outcome<T>) -> Outcome<T> {
        let mut env = ptr::null_mut();
        // SAFETY: the caller vouches for `vm`, and `env` is where the answer belongs.
        let code = unsafe { ((**vm).v1_2.GetEnv)(vm, &raw mut env, JNI_VERSION_1_8) };
        if code != 0 || env.is_null() {
            return Err(Refusal::Failed { what: format!("no Java environment on this thread: {code}") });
        }
        let java = Self { env: env.cast() };
        jni!(java, v1_1.ExceptionClear);
        if jni!(java, v1_2.PushLocalFrame, 64) != 0 {
            return Err(java.thrown("making room for references"));
        }
        /// Ends the frame on every way out, a panic included.
        struct Frame<'j>(&'j Java);
        impl Drop for Frame<'_> {
            fn drop(&mut self) {
                jni!(self.0, v1_1.ExceptionClear);
                jni!(self.0, v1_2.PopLocalFrame, ptr::null_mut());
            }
        }
        let _frame = Frame(&java);
        run(&java)
    }

    /// Makes room for that many more references.
    pub(crate) fn reserve(&self, more: usize) -> Outcome<()> {
        match jni!(self, v1_2.EnsureLocalCapacity, jint::try_from(more).unwrap_or(jint::MAX)) {
            0 => Ok(()),
            _ => Err(self.thrown("making room for references")),
        }
    }

    /// A class of the JDK itself.
    pub(crate) fn jdk_class(&self, name: &CStr) -> Outcome<Class<'_>> {
        match self.object(jni!(self, v1_1.FindClass, name.as_ptr())) {
            Some(class) => Ok(Class(class)),
            None => Err(self.thrown(&format!("loading {}", name.to_string_lossy()))),
        }
    }

    /// A Java string.
    pub(crate) fn string(&self, text: &CStr) -> Outcome<Object<'_>> {
        let string = jni!(self, v1_1.NewStringUTF, text.as_ptr());
        self.object(string).ok_or_else(|| self.thrown("making a string"))
    }

    /// Takes over a reference; `None` for null.
    pub(crate) fn object(&self, raw: jobject) -> Option<Object<'_>> {
        (!raw.is_null()).then(|| Object { java: self, raw })
    }

    /// Ends the pending exception and says what it was.
    pub(crate) fn thrown(&self, doing: &str) -> Refusal {
        let exception = self.object(jni!(self, v1_1.ExceptionOccurred));
        jni!(self, v1_1.ExceptionClear);
        let said = exception.and_then(|exception| exception.say().ok());
        Refusal::Failed { what: format!("{doing}: {}", said.as_deref().unwrap_or("it did not work")) }
    }
}

/// A class.
pub(crate) struct Class<'j>(pub(crate) Object<'j>);

impl<'j> Class<'j> {
    /// Its binary name.
    pub(crate) fn name(&self) -> String {
        const GET_NAME: Method = Method(c"getName", c"()Ljava/lang/String;");
        let name = self.0.call(GET_NAME, &[]);
        name.ok().flatten().map_or_else(|| "a class".to_owned(), |name| name.text())
    }

    /// The field of that name and type, its own or inherited, of any visibility.
    pub(crate) fn field(&self, field: Field) -> Outcome<jfieldID> {
        let Field(name, kind) = field;
        let id = jni!(self.0.java, v1_1.GetFieldID, self.0.raw, name.as_ptr(), kind.as_ptr());
        if id.is_null() { Err(self.lacks(name, kind)) } else { Ok(id) }
    }

    /// The method of that name and type, likewise.
    pub(crate) fn method(&self, method: Method) -> Outcome<jmethodID> {
        let Method(name, kind) = method;
        let id = jni!(self.0.java, v1_1.GetMethodID, self.0.raw, name.as_ptr(), kind.as_ptr());
        if id.is_null() { Err(self.lacks(name, kind)) } else { Ok(id) }
    }

    /// The static method of that name and type.
    pub(crate) fn static_method(&self, method: Method) -> Outcome<jmethodID> {
        let Method(name, kind) = method;
        let id = jni!(self.0.java, v1_1.GetStaticMethodID, self.0.raw, name.as_ptr(), kind.as_ptr());
        if id.is_null() { Err(self.lacks(name, kind)) } else { Ok(id) }
    }

    /// What a static field refers to; `None` for null.
    pub(crate) fn static_object(&self, field: Field) -> Outcome<Option<Object<'j>>> {
        let (java, Field(name, kind)) = (self.0.java, field);
        let id = jni!(java, v1_1.GetStaticFieldID, self.0.raw, name.as_ptr(), kind.as_ptr());
        if id.is_null() {
            return Err(self.lacks(name, kind));
        }
        Ok(java.object(jni!(java, v1_1.GetStaticObjectField, self.0.raw, id)))
    }

    /// Another class, by the loader of this one.
    pub(crate) fn sibling(&self, name: &CStr) -> Outcome<Class<'j>> {
        const LOADER: Method = Method(c"getClassLoader", c"()Ljava/lang/ClassLoader;");
        const LOAD: Method = Method(c"loadClass", c"(Ljava/lang/String;)Ljava/lang/Class;");
        let java = self.0.java;
        let loader = self.0.call_some(LOADER, &[])?;
        let class = loader.call_some(LOAD, &[(&java.string(name)?).into()]);
        class.map(Class).map_err(|refusal| match refusal {
            Refusal::Failed { what } => Refusal::Unexpected { what },
            other => other,
        })
    }

    /// A lookup that failed, which left an exception behind.
    fn lacks(&self, name: &CStr, kind: &CStr) -> Refusal {
        jni!(self.0.java, v1_1.ExceptionClear);
        let (name, kind) = (name.to_string_lossy(), kind.to_string_lossy());
        Refusal::Unexpected { what: format!("{} has no {name} of type {kind}", self.name()) }
    }
}
