//! The partitions of AWS, and the one that a region is in. A partition has its own ARNs (`arn:aws-cn:…`) and its own
//! domain.
//!
//! The table is `partitions.json` of AWS's SDKs (here of botocore 1.44.5). It derives a partition from the form of a
//! region's name. So it knows regions that are younger than the table.

/// A partition of AWS.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// The partition's name in ARNs: `aws`, `aws-cn`.
    pub id: &'static str,
    /// The end of the addresses of its services.
    pub dns_suffix: &'static str,
    /// The first parts of its regions' names. A direction and a number follow: `us-gov` of `us-gov-west-1`.
    areas: &'static [&'static str],
    /// The regions that are known by name.
    pub regions: &'static [&'static str],
}

pub const PARTITIONS: &[Partition] = &[
    Partition {
        id: "aws",
        dns_suffix: "amazonaws.com",
        areas: &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"],
        regions: &[
            "af-south-1",
            "ap-east-1",
            "ap-east-2",
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-south-2",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-southeast-3",
            "ap-southeast-4",
            "ap-southeast-5",
            "ap-southeast-6",
            "ap-southeast-7",
            "ca-central-1",
            "ca-west-1",
            "eu-central-1",
            "eu-central-2",
            "eu-north-1",
            "eu-south-1",
            "eu-south-2",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "il-central-1",
            "me-central-1",
            "me-south-1",
            "me-west-1",
            "mx-central-1",
            "sa-east-1",
            "sa-west-1",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        ],
    },
    Partition {
        id: "aws-cn",
        dns_suffix: "amazonaws.com.cn",
        areas: &["cn"],
        regions: &["cn-north-1", "cn-northwest-1"],
    },
    Partition {
        id: "aws-us-gov",
        dns_suffix: "amazonaws.com",
        areas: &["us-gov"],
        regions: &["us-gov-east-1", "us-gov-west-1"],
    },
    Partition { id: "aws-eusc", dns_suffix: "amazonaws.eu", areas: &["eusc-de"], regions: &["eusc-de-east-1"] },
    Partition {
        id: "aws-iso",
        dns_suffix: "c2s.ic.gov",
        areas: &["us-iso"],
        regions: &["us-iso-east-1", "us-iso-west-1"],
    },
    Partition {
        id: "aws-iso-b",
        dns_suffix: "sc2s.sgov.gov",
        areas: &["us-isob"],
        regions: &["us-isob-east-1", "us-isob-west-1"],
    },
    Partition { id: "aws-iso-e", dns_suffix: "cloud.adc-e.uk", areas: &["eu-isoe"], regions: &["eu-isoe-west-1"] },
    Partition {
        id: "aws-iso-f",
        dns_suffix: "csp.hci.ic.gov",
        areas: &["us-isof"],
        regions: &["us-isof-east-1", "us-isof-south-1"],
    },
];

/// The partition of a region. `None` if no partition has regions with such a name.
pub fn of(region: &str) -> Option<&'static Partition> {
    let (area, direction) = parts(region)?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let known = !direction.is_empty() && direction.chars().all(word);
    PARTITIONS.iter().find(|partition| known && partition.areas.contains(&area))
}

/// True if the name may be that of a region, known or new. The area must be one of a partition, and the direction a
/// word that AWS uses. `eu-wset-1` has no such direction.
pub fn may_be(region: &str) -> bool {
    let directions = ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];
    of(region).is_some() && parts(region).is_some_and(|(_, direction)| directions.contains(&direction))
}

/// All regions that are known by name.
pub fn regions() -> impl Iterator<Item = &'static str> {
    PARTITIONS.iter().flat_map(|partition| partition.regions).copied()
}

/// The area and the direction of a region's name: `("us-gov", "west")` of `us-gov-west-1`. `None` if the name has no
/// such form.
fn parts(region: &str) -> Option<(&str, &str)> {
    let (rest, number) = region.rsplit_once('-')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| rest.rsplit_once('-')).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_is_in_its_partition() {
        for partition in PARTITIONS {
            for region in partition.regions {
                assert_eq!(of(region), Some(partition), "{region}");
                assert!(may_be(region), "{region}");
            }
        }
        let ids: Vec<&str> = PARTITIONS.iter().map(|partition| partition.id).collect();
        assert_eq!(ids, ["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"]);
    }

    #[test]
    fn what_is_not_a_region_is_in_none() {
        for (region, expected) in [("eu-west-9", true), ("eu-wset-1", false), ("us-esat-1", false), ("us-gov-1", false)]
        {
            assert_eq!((of(region).map(|partition| partition.id), may_be(region)), (Some("aws"), expected), "{region}");
        }
        for region in ["", "eu", "eu-west", "eu-west-", "xx-west-1", "eusc-fr-west-1", "us-iso-east", "eu--1"] {
            assert_eq!((of(region), may_be(region)), (None, false), "{region}");
        }
    }
}
