//! The emulator that serves each service.

use crate::upstream::Emulator;
use serde::{Deserialize, Serialize};

/// The emulator that serves everything without a route of its own.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    #[default]
    Moto,
    Ministack,
}

/// The declared exceptions: (base, service, the emulator that serves it instead, why).
pub const ROUTES: &[(Base, &str, Emulator, &str)] = &[
    (
        Base::Moto,
        "cloudwatch",
        Emulator::Ministack,
        "moto has no rpc-v2-cbor, and the Rust SDK speaks nothing else to CloudWatch",
    ),
    (
        Base::Moto,
        "elasticache",
        Emulator::Ministack,
        "moto's replication groups lack members, reader endpoint and parameter groups, and never finish deleting",
    ),
    (Base::Moto, "apigatewayv2", Emulator::Ministack, "moto's HTTP APIs have no UpdateStage and no deployments"),
    (Base::Ministack, "application-autoscaling", Emulator::Moto, "ministack does not know the service"),
];

pub fn route(base: Base, service: &str) -> Emulator {
    for (from, exception, to, _) in ROUTES {
        if *from == base && *exception == service {
            return *to;
        }
    }
    match base {
        Base::Moto => Emulator::Moto,
        Base::Ministack => Emulator::Ministack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        assert_eq!(route(Base::Moto, "ec2"), Emulator::Moto);
        assert_eq!(route(Base::Moto, "cloudwatch"), Emulator::Ministack);
        assert_eq!(route(Base::Ministack, "application-autoscaling"), Emulator::Moto);
        assert_eq!(route(Base::Ministack, "cloudwatch"), Emulator::Ministack);
    }
}
