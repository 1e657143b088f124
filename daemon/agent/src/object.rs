//! References to Java objects: what their fields hold, what their methods return, their monitors.

#![allow(unsafe_code)]

use crate::{
    env::{Class, Field, Java, Method, Outcome, jni},
    protocol::Refusal,
};
use jni_sys::{jfieldID, jobject, jvalue};
use std::{ffi::CStr, marker::PhantomData, ptr};

/// The longest text that is taken over from Java, in bytes.
const LONGEST_TEXT: usize = 500;

/// A reference to an object, freed when it is dropped.
pub(crate) struct Object<'j> {
    pub(crate) java: &'j Java,
    pub(crate) raw: jobject,
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        jni!(self.java, v1_1.DeleteLocalRef, self.raw);
    }
}

/// An argument of a method, as long as what it refers to.
#[derive(Clone, Copy)]
pub(crate) struct Arg<'a>(jvalue, PhantomData<&'a ()>);

impl Arg<'_> {
    /// Java's `null`.
    pub(crate) const NULL: Self = Self(jvalue { l: ptr::null_mut() }, PhantomData);
}

impl<'a> From<&'a Object<'_>> for Arg<'a> {
    fn from(object: &'a Object<'_>) -> Self {
        Self(jvalue { l: object.raw }, PhantomData)
    }
}

impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Self(jvalue { j: number }, PhantomData)
    }
}

impl From<bool> for Arg<'_> {
    fn from(yes: bool) -> Self {
        Self(jvalue { z: yes }, PhantomData)
    }
}

/// Defines a function that calls a method that returns such a thing.
macro_rules! call {
    ($doc:literal, $name:ident, $function:ident, $type:ty) => {
        #[doc = $doc]
        pub(crate) fn $name(&self, method: Method, args: &[Arg<'_>]) -> Outcome<$type> {
            let class = self.class();
            let id = class.method(method)?;
            let args: Vec<jvalue> = args.iter().map(|arg| arg.0).collect();
            let returned = jni!(self.java, v1_1.$function, self.raw, id, args.as_ptr());
            if jni!(self.java, v1_2.ExceptionCheck) {
                let refusal = self.java.thrown(&method.0.to_string_lossy());
                return Err(refusal);
            }
            Ok(returned)
        }
    };
}

impl<'j> Object<'j> {
    call!("Calls a method that returns a `long`.", call_long, CallLongMethodA, i64);
    call!("Calls a method that returns an `int`.", call_int, CallIntMethodA, i32);
    call!("Calls a method that returns a `boolean`.", call_boolean, CallBooleanMethodA, bool);
    call!("Calls a method that returns nothing.", call_void, CallVoidMethodA, ());
    call!("Calls a method that returns a reference.", call_raw, CallObjectMethodA, jobject);

    /// Calls a method that returns an object; `None` for null.
    pub(crate) fn call(&self, method: Method, args: &[Arg<'_>]) -> Outcome<Option<Self>> {
        Ok(self.java.object(self.call_raw(method, args)?))
    }

    /// Calls a method that never returns null.
    pub(crate) fn call_some(&self, method: Method, args: &[Arg<'_>]) -> Outcome<Self> {
        let returned = self.call(method, args)?;
        returned.ok_or_else(|| Refusal::Failed {
            what: format!("{}.{} returned null", self.class().name(), method.0.to_string_lossy()),
        })
    }

    /// Its class.
    pub(crate) fn class(&self) -> Class<'j> {
        Class(Object { java: self.java, raw: jni!(self.java, v1_1.GetObjectClass, self.raw) })
    }

    /// Whether it has that field, with that type.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.class().field(field).is_ok()
    }

    /// A field that holds a reference.
    pub(crate) fn reference(&self, field: Field) -> Outcome<Reference<'_, 'j>> {
        debug_assert!(matches!(field.1.to_bytes()[0], b'L' | b'['), "a reference");
        Ok(Reference { of: self, id: self.class().field(field)? })
    }

    /// What a field refers to; `None` for null.
    pub(crate) fn get(&self, field: Field) -> Outcome<Option<Self>> {
        Ok(self.reference(field)?.get())
    }

    /// What a field refers to; if that is null, the refusal that belongs to it, given the field's name.
    pub(crate) fn get_or(&self, field: Field, refusal: impl FnOnce(String) -> Refusal) -> Outcome<Self> {
        let null = || refusal(format!("{}.{} is null", self.class().name(), field.0.to_string_lossy()));
        self.get(field)?.ok_or_else(null)
    }

    /// What comes at the end of a way of fields; `None` when one of them is null.
    pub(crate) fn follow(&self, way: &[Field]) -> Outcome<Option<Self>> {
        let Some((first, rest)) = way.split_first() else { return Ok(None) };
        match self.get(*first)? {
            Some(next) if !rest.is_empty() => next.follow(rest),
            end => Ok(end),
        }
    }

    /// A field that holds a `long`.
    pub(crate) fn long(&self, name: &'static CStr) -> Outcome<Long<'_, 'j>> {
        Ok(Long { of: self, id: self.class().field(Field(name, c"J"))? })
    }

    /// The value of a field that holds a `boolean`.
    pub(crate) fn boolean(&self, name: &'static CStr) -> Outcome<bool> {
        let id = self.class().field(Field(name, c"Z"))?;
        Ok(jni!(self.java, v1_1.GetBooleanField, self.raw, id))
    }

    /// What its `toArray` returns, nulls left out; refused when that is more than `limit`.
    ///
    /// A map that others change meanwhile may throw here: the caller tries again.
    pub(crate) fn to_array(&self, limit: usize) -> Outcome<impl Iterator<Item = Self> + use<'j>> {
        const TO_ARRAY: Method = Method(c"toArray", c"()[Ljava/lang/Object;");
        let array = self.call_some(TO_ARRAY, &[])?;
        let length = jni!(self.java, v1_1.GetArrayLength, array.raw);
        if usize::try_from(length).is_ok_and(|length| length > limit) {
            return Err(Refusal::Failed { what: format!("{length} where at most {limit} are expected") });
        }
        Ok((0..length).filter_map(move |at| array.element(at)))
    }

    /// What is at that place in it, being an array of objects; `None` for null.
    fn element(&self, at: i32) -> Option<Self> {
        self.java.object(jni!(self.java, v1_1.GetObjectArrayElement, self.raw, at))
    }

    /// What Java's `System.identityHashCode` has for it: the same for as long as it lives.
    pub(crate) fn identity(&self) -> Outcome<i32> {
        const IDENTITY: Method = Method(c"identityHashCode", c"(Ljava/lang/Object;)I");
        let class = self.java.jdk_class(c"java/lang/System")?;
        let (id, arg) = (class.static_method(IDENTITY)?, Arg::from(self).0);
        let identity = jni!(self.java, v1_1.CallStaticIntMethodA, class.0.raw, id, &raw const arg);
        if jni!(self.java, v1_2.ExceptionCheck) {
            return Err(self.java.thrown("identityHashCode"));
        }
        Ok(identity)
    }

    /// What its `toString` says.
    pub(crate) fn say(&self) -> Outcome<String> {
        const TO_STRING: Method = Method(c"toString", c"()Ljava/lang/String;");
        Ok(self.call(TO_STRING, &[])?.map_or_else(String::new, |text| text.text()))
    }

    /// Enters its monitor, which is left when the guard is dropped.
    pub(crate) fn lock(&self) -> Outcome<Monitor<'_, 'j>> {
        match jni!(self.java, v1_1.MonitorEnter, self.raw) {
            0 => Ok(Monitor(self)),
            _ => Err(self.java.thrown("entering a monitor")),
        }
    }

    /// What it says, being a `String`.
    pub(crate) fn text(&self) -> String {
        let chars = jni!(self.java, v1_1.GetStringUTFChars, self.raw, ptr::null_mut());
        if chars.is_null() {
            jni!(self.java, v1_1.ExceptionClear);
            return String::new();
        }
        // SAFETY: the JVM ends it with a zero byte, and it is released only after the copy.
        let bytes = unsafe { CStr::from_ptr(chars) }.to_bytes();
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_TEXT)]).into_owned();
        jni!(self.java, v1_1.ReleaseStringUTFChars, self.raw, chars);
        text
    }
}

impl<'j> Class<'j> {
    /// Makes an object of it.
    pub(crate) fn make(&self, kind: &'static CStr, args: &[Arg<'_>]) -> Outcome<Object<'j>> {
        let id = self.method(Method(c"<init>", kind))?;
        let args: Vec<jvalue> = args.iter().map(|arg| arg.0).collect();
        let made = jni!(self.0.java, v1_1.NewObjectA, self.0.raw, id, args.as_ptr());
        self.0.java.object(made).ok_or_else(|| self.0.java.thrown(&format!("making a {}", self.name())))
    }
}

/// A field that holds a reference, found: reading and writing it cannot fail.
pub(crate) struct Reference<'a, 'j> {
    of: &'a Object<'j>,
    id: jfieldID,
}

impl<'j> Reference<'_, 'j> {
    /// What it refers to; `None` for null.
    pub(crate) fn get(&self) -> Option<Object<'j>> {
        let java = self.of.java;
        java.object(jni!(java, v1_1.GetObjectField, self.of.raw, self.id))
    }

    /// Makes it refer to something else, which must be of its type.
    pub(crate) fn set(&self, value: Option<&Object<'j>>) {
        let value = value.map_or(ptr::null_mut(), |value| value.raw);
        jni!(self.of.java, v1_1.SetObjectField, self.of.raw, self.id, value);
    }
}

/// A field that holds a `long`, found: reading and writing it cannot fail.
#[derive(Clone, Copy)]
pub(crate) struct Long<'a, 'j> {
    of: &'a Object<'j>,
    id: jfieldID,
}

impl Long<'_, '_> {
    /// Its value.
    pub(crate) fn get(self) -> i64 {
        jni!(self.of.java, v1_1.GetLongField, self.of.raw, self.id)
    }

    /// Gives it another.
    pub(crate) fn set(self, value: i64) {
        jni!(self.of.java, v1_1.SetLongField, self.of.raw, self.id, value);
    }
}

/// The monitor of an object, entered.
pub(crate) struct Monitor<'a, 'j>(&'a Object<'j>);

impl Drop for Monitor<'_, '_> {
    fn drop(&mut self) {
        // It cannot fail: this thread entered it, and nothing else here leaves it.
        jni!(self.0.java, v1_1.MonitorExit, self.0.raw);
    }
}
