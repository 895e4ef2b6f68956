//! The contract as clients see it: without the methods that only services may call.

use auth::policy::{self, Policies};
use prost::Message as _;
use prost_reflect::{DescriptorError, DescriptorPool, DynamicMessage, Value};

/// Fields of `google/protobuf/descriptor.proto`, as paths of comments number them.
const SERVICE: i32 = 6;
const METHOD: i32 = 2;

/// Why the contract can't be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Policy(#[from] policy::Error),
    #[error("the contract can't be read: {0}")]
    Contract(#[from] DescriptorError),
    #[error("the contract can't be read: {0}")]
    Encoding(#[from] prost::DecodeError),
    #[error("the contract doesn't describe itself")]
    Incomplete,
}

/// An encoded `FileDescriptorSet` without the methods that only services may call; options and comments stay.
///
/// Messages of such methods stay, too: they tell nothing that anybody could use.
pub(crate) fn public(contract: &[u8]) -> Result<Vec<u8>, Error> {
    let policies = Policies::of(contract)?;
    // Through the contract's own description of itself: prost's types would drop the options that are ours.
    let pool = DescriptorPool::decode(contract)?;
    let set = pool.get_message_by_name("google.protobuf.FileDescriptorSet").ok_or(Error::Incomplete)?;
    let mut set = DynamicMessage::decode(set, contract)?;
    for file in messages(&mut set, "file") {
        let package = text(file, "package");
        let is_public = |service: &str, method: &str| {
            let path = format!("/{package}.{service}/{method}");
            policies.of_method(&path).is_some_and(policy::Allow::is_public)
        };
        let moved = retain_methods(file, is_public);
        if let Some(comments) = message(file, "source_code_info") {
            retain(comments, "location", |location| renumber(location, &moved));
        }
    }
    Ok(set.encode_to_vec())
}

/// Where a service went, and where each of its methods went.
type Moved = Vec<(Option<i32>, Vec<Option<i32>>)>;

fn retain_methods(file: &mut DynamicMessage, is_public: impl Fn(&str, &str) -> bool) -> Moved {
    let mut methods = Vec::new();
    let services = retain(file, "service", |service| {
        let name = text(service, "name");
        let kept = retain(service, "method", |method| is_public(&name, &text(method, "name")));
        let is_kept = kept.iter().any(Option::is_some);
        methods.push(kept);
        is_kept
    });
    services.into_iter().zip(methods).collect()
}

/// Makes a comment's path name what it stands beside now; false if that is gone.
fn renumber(location: &mut DynamicMessage, moved: &Moved) -> bool {
    let Some(path) = location.get_field_by_name_mut("path").and_then(Value::as_list_mut) else { return true };
    let numbers: Vec<_> = path.iter().filter_map(Value::as_i32).collect();
    let at = |index: i32| usize::try_from(index).unwrap_or(usize::MAX);
    let [SERVICE, service, rest @ ..] = numbers.as_slice() else { return true };
    let Some((Some(to), methods)) = moved.get(at(*service)) else { return false };
    path[1] = Value::I32(*to);
    if let [METHOD, method, ..] = rest {
        let Some(Some(to)) = methods.get(at(*method)) else { return false };
        path[3] = Value::I32(*to);
    }
    true
}

/// Keeps some messages of a list, and tells where each went.
fn retain(
    parent: &mut DynamicMessage,
    list: &str,
    mut keep: impl FnMut(&mut DynamicMessage) -> bool,
) -> Vec<Option<i32>> {
    let Some(list) = parent.get_field_by_name_mut(list).and_then(Value::as_list_mut) else {
        return Vec::new();
    };
    let (mut moved, mut kept) = (Vec::new(), 0);
    list.retain_mut(|value| {
        let is_kept = value.as_message_mut().is_some_and(&mut keep);
        moved.push(is_kept.then_some(kept));
        kept += i32::from(is_kept);
        is_kept
    });
    moved
}

fn messages<'a>(parent: &'a mut DynamicMessage, list: &str) -> impl Iterator<Item = &'a mut DynamicMessage> {
    let list = parent.get_field_by_name_mut(list).and_then(Value::as_list_mut);
    list.into_iter().flatten().filter_map(Value::as_message_mut)
}

fn message<'a>(parent: &'a mut DynamicMessage, field: &str) -> Option<&'a mut DynamicMessage> {
    parent.get_field_by_name_mut(field)?.as_message_mut()
}

fn text(parent: &DynamicMessage, field: &str) -> String {
    parent.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn what_clients_may_call_is_shown_with_its_policy_and_nothing_else() {
        let shown = public(proto::FILE_DESCRIPTOR_SET).unwrap();
        // Every method that is left still has its policy, or this would fail.
        let shown: Vec<_> = Policies::of(&shown).unwrap().iter().cloned().collect();
        let public: Vec<_> = Policies::of(proto::FILE_DESCRIPTOR_SET)
            .unwrap()
            .iter()
            .filter(|method| method.allow.is_public())
            .cloned()
            .collect();
        assert_eq!(shown, public);
        assert!(!shown.iter().any(|method| method.name == "ReserveStock"));
    }

    #[test]
    fn comments_stand_beside_what_they_are_about() {
        let comment = |set: &[u8], service: &str, method: &str| {
            let set = FileDescriptorSet::decode(set).unwrap();
            let found = set.file.iter().find_map(|file| {
                let services = file.service.iter().enumerate();
                let (at, service) = services.clone().find(|(_, known)| known.name() == service)?;
                let method = service.method.iter().position(|known| known.name() == method)?;
                let path = [SERVICE, i32::try_from(at).ok()?, METHOD, i32::try_from(method).ok()?];
                let comments = &file.source_code_info.as_ref()?.location;
                Some(comments.iter().find(|location| location.path == path)?.leading_comments().to_owned())
            });
            found.unwrap()
        };
        let shown = public(proto::FILE_DESCRIPTOR_SET).unwrap();
        for method in &Policies::of(&shown).unwrap() {
            let service = method.service.rsplit('.').next().unwrap();
            let before = comment(proto::FILE_DESCRIPTOR_SET, service, &method.name);
            assert_eq!(comment(&shown, service, &method.name), before, "{}", method.path());
        }
    }
}
