//! Whether the load balancer can use its certificate, now and next month.

use std::time::{Duration, SystemTime};

use aws_sdk_acm::types::{CertificateDetail, CertificateStatus, RenewalEligibility};

use super::{Finding, Scene};
use crate::aws::Error;
use crate::kinds::elbv2::{Does, Listener};

const NAME: &str = "certificate";
/// The time before the end of a certificate from which on it is suspect. ACM renews its certificates 60 days before the
/// end, so one that is so near to it has not been renewed.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Finding>, Error> {
    let listeners = scene.of::<Listener>();
    let certificates = listeners.into_iter().filter_map(|(_, spec)| match spec.does {
        Does::Secure { certificate, .. } => Some(certificate),
        _ => None,
    });
    let mut findings = Vec::new();
    for arn in certificates {
        let region = arn.split(':').nth(3).unwrap_or_default();
        if region != scene.cx.scope.region {
            let what = format!("the certificate is of {region}, and the load balancer is in {}", scene.cx.scope.region);
            findings.push(Finding::stop(
                NAME,
                what,
                "request or import one in that region, and name it in `network.certificate`",
            ));
            continue;
        }
        let answer = scene.cx.acm.describe_certificate().certificate_arn(&arn).send().await;
        findings.push(
            match Error::unless_gone(answer, &["ResourceNotFoundException"])?.and_then(|answer| answer.certificate) {
                Some(certificate) => judge(&certificate, SystemTime::now()),
                None => Finding::stop(
                    NAME,
                    format!("there is no certificate {arn}"),
                    "request or import one, and name it in `network.certificate`",
                ),
            },
        );
    }
    Ok(findings)
}

fn judge(certificate: &CertificateDetail, now: SystemTime) -> Finding {
    let domain = certificate.domain_name().unwrap_or("a certificate without a domain");
    let status = certificate.status().map_or("unknown", CertificateStatus::as_str);
    match certificate.status() {
        Some(CertificateStatus::Issued) => {}
        Some(CertificateStatus::PendingValidation) => {
            let todo = "put ACM's CNAME record into the domain's DNS and wait until it is issued: aws acm describe-certificate shows it";
            return Finding::stop(NAME, format!("the certificate of {domain} waits for its validation"), todo);
        }
        _ => {
            let todo = "request or import another one, and name it in `network.certificate`";
            return Finding::stop(NAME, format!("the certificate of {domain} is {status}"), todo);
        }
    }
    let end = certificate.not_after().and_then(|end| SystemTime::try_from(*end).ok());
    let day = certificate.not_after().map(ToString::to_string).unwrap_or_default();
    let day = day.split('T').next().unwrap_or_default();
    let ours = certificate.renewal_eligibility() == Some(&RenewalEligibility::Eligible);
    match end {
        Some(end) if end <= now => Finding::stop(
            NAME,
            format!("the certificate of {domain} ended on {day}"),
            "import a new one under the same ARN",
        ),
        Some(end) if end <= now + SOON => {
            let todo = match ours {
                true => "ACM should have renewed it: see whether its CNAME record is still in the domain's DNS",
                false => "ACM does not renew it: import a new one under the same ARN",
            };
            Finding::warning(NAME, format!("the certificate of {domain} ends on {day}"), todo)
        }
        _ => Finding::ok(NAME, format!("the certificate of {domain} is issued, until {day}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::DateTime;

    #[test]
    fn now_and_next_month() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let of = |status: CertificateStatus, days: i64, eligible: bool| {
            let renewal = if eligible { RenewalEligibility::Eligible } else { RenewalEligibility::Ineligible };
            let end = DateTime::from_secs(1_790_000_000 + days * 86_400);
            let built = CertificateDetail::builder().domain_name("a.example").status(status).not_after(end);
            let found = judge(&built.renewal_eligibility(renewal).build(), now);
            format!(
                "{:?}: {}{}",
                found.level,
                found.what,
                found.todo.map(|todo| format!(" -> {todo}")).unwrap_or_default()
            )
        };
        let (issued, waiting) = (CertificateStatus::Issued, CertificateStatus::PendingValidation);
        let told = [
            of(issued.clone(), 90, true),
            of(issued.clone(), 20, true),
            of(issued.clone(), 20, false),
            of(issued, -1, false),
            of(waiting, 90, true),
            of(CertificateStatus::Revoked, 90, true),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        Ok: the certificate of a.example is issued, until 2026-12-20
        Warning: the certificate of a.example ends on 2026-10-11 -> ACM should have renewed it: see whether its CNAME record is still in the domain's DNS
        Warning: the certificate of a.example ends on 2026-10-11 -> ACM does not renew it: import a new one under the same ARN
        Stop: the certificate of a.example ended on 2026-09-20 -> import a new one under the same ARN
        Stop: the certificate of a.example waits for its validation -> put ACM's CNAME record into the domain's DNS and wait until it is issued: aws acm describe-certificate shows it
        Stop: the certificate of a.example is REVOKED -> request or import another one, and name it in `network.certificate`
        ");
    }
}
