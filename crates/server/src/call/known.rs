//! The methods that callers may know.

use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::Error;

/// Every `service/Method` of the shop's contract, and those that every service answers about itself.
pub(crate) fn known_methods() -> Result<Vec<String>, Error> {
    let mut methods = Vec::new();
    for contract in [
        proto::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    ] {
        let contract = FileDescriptorSet::decode(contract).map_err(tonic_reflection::server::Error::from)?;
        for file in &contract.file {
            for service in &file.service {
                let name = format!("{}.{}", file.package(), service.name());
                methods.extend(service.method.iter().map(|method| format!("{name}/{}", method.name())));
            }
        }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_of_the_contract_of_health_and_of_reflection_are_known() {
        let known = known_methods().unwrap();
        for method in [
            "bookstore.order.v1.OrderService/PlaceOrder",
            "grpc.health.v1.Health/Check",
            "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            assert!(known.iter().any(|known| known == method), "{method}");
        }
    }
}
