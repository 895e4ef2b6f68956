use std::borrow::Cow;

/// What a point or an act is called: a text, or a closure that makes one, which a release build never calls.
pub trait Name {
    /// The name.
    fn name(self) -> Cow<'static, str>;
}

impl Name for &'static str {
    fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(self)
    }
}

impl<F: FnOnce() -> String> Name for F {
    fn name(self) -> Cow<'static, str> {
        Cow::Owned(self())
    }
}
