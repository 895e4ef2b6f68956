use std::time::Duration;

use tls::authority::Certificate;

use super::*;
use crate::wanted::{Lives, Service};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const LIVES: Lives =
    Lives { certificate: DAY.saturating_mul(90), authority: DAY.saturating_mul(1095), settle: HOUR };

fn wanted() -> Wanted {
    Wanted {
        namespace: "shop".into(),
        trust_domain: "bookstore.local".into(),
        cluster_domain: "cluster.local".into(),
        services: ["order=order,order-headless", "payment"].map(|text| text.parse().unwrap()).into(),
        accounts: vec!["order-database=postgres://order@postgres:5432/order".parse().unwrap()],
        signing_key: Some("identity-signing-key".into()),
        admin: Some("admin-account=admin@example.com".parse().unwrap()),
        lives: LIVES,
        new_authority: false,
    }
}

/// Some moment after 1970.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * 20_000
}

/// A namespace without a cluster: what is written is there.
#[derive(Default)]
struct Namespace(Secrets);

impl Namespace {
    /// The names of the Secrets that were written.
    fn run(&mut self, wanted: &Wanted, now: SystemTime) -> Vec<String> {
        let mut written = Vec::new();
        for step in plan(&self.0, wanted, now).unwrap() {
            if let Some(data) = step.data {
                self.0.insert(step.secret.clone(), Found { data, is_ours: true });
                written.push(step.secret);
            }
        }
        written
    }

    fn text(&self, secret: &str, key: &str) -> &str {
        std::str::from_utf8(&self.0[secret].data[key]).unwrap()
    }

    fn certificate(&self, secret: &str) -> Certificate {
        Certificate::from_pem(self.text(secret, "tls.crt")).unwrap()
    }

    fn roots(&self, secret: &str) -> usize {
        self.text(secret, "ca.crt").matches("BEGIN CERTIFICATE").count()
    }

    /// Whether each service, as it is now, accepts each other as it was `then`.
    fn understands(&self, then: &Self, now: SystemTime) -> bool {
        let secrets = || wanted().services.iter().map(Service::secret).collect::<Vec<_>>();
        secrets().iter().all(|mine| {
            secrets().iter().all(|other| {
                let shown = then.certificate(other);
                let roots = self.text(mine, "ca.crt");
                roots.split_inclusive("-----END CERTIFICATE-----\n").any(|root| trusts(root, &shown, now))
            })
        })
    }

    fn copy(&self) -> Self {
        Self(self.0.clone())
    }
}

/// By an authority that has this root; its key doesn't matter.
fn trusts(root: &str, shown: &Certificate, now: SystemTime) -> bool {
    let (_, key) = auth::SigningKey::generate();
    tls::authority::Authority::from_pem(root, &key).unwrap().vouches_for(shown, now)
}

#[test]
fn everything_is_made_once() {
    let mut namespace = Namespace::default();
    let written = namespace.run(&wanted(), start());
    assert_eq!(written, names(&wanted()));
    assert_eq!(namespace.run(&wanted(), start() + HOUR), Vec::<String>::new());

    let order = namespace.certificate("order-tls");
    assert_eq!(order.id().unwrap().to_string(), "spiffe://bookstore.local/ns/shop/sa/order");
    for name in ["order", "order-headless", "order-headless.shop.svc", "order.shop.svc.cluster.local"] {
        assert!(order.dns_names().iter().any(|it| it == name), "{name}");
    }
    let password = namespace.text("order-database", "password");
    let url = format!("postgres://order:{password}@postgres:5432/order");
    assert_eq!(namespace.text("order-database", "url"), url);
    assert_eq!(namespace.text("admin-account", "email"), "admin@example.com");
    auth::SigningKey::from_pem(&namespace.text("identity-signing-key", "signing-key.pem").into()).unwrap();
}

#[test]
fn a_certificate_is_renewed_at_two_thirds_of_its_life_and_not_before() {
    let mut namespace = Namespace::default();
    namespace.run(&wanted(), start());
    assert!(namespace.run(&wanted(), start() + DAY * 60 - HOUR).is_empty());
    let before = namespace.certificate("order-tls");
    assert_eq!(namespace.run(&wanted(), start() + DAY * 60 + HOUR), ["order-tls", "payment-tls"]);
    assert!(namespace.certificate("order-tls").validity().not_after > before.validity().not_after);
}

#[test]
fn other_names_are_another_certificate() {
    let mut namespace = Namespace::default();
    namespace.run(&wanted(), start());
    let mut other = wanted();
    other.services[1].hosts.push("pay".into());
    assert_eq!(namespace.run(&other, start() + HOUR), ["payment-tls"]);
}

#[test]
fn a_certificate_that_cannot_be_read_is_made_anew() {
    let mut namespace = Namespace::default();
    namespace.run(&wanted(), start());
    namespace.0.get_mut("order-tls").unwrap().data.insert("tls.crt".into(), b"scribble".to_vec());
    assert_eq!(namespace.run(&wanted(), start() + HOUR), ["order-tls"]);
}

#[test]
fn an_authority_hands_over_in_steps_and_everybody_understands_everybody_all_the_while() {
    let lives = Lives { certificate: DAY * 9, authority: DAY * 90, ..LIVES };
    let wanted = Wanted { lives, ..wanted() };
    let mut namespace = Namespace::default();
    let mut now = start();
    namespace.run(&wanted, now);
    let mut steps = Vec::new();
    for day in 1..150 {
        // Nobody reads a Secret at once: what was there before is still in use somewhere.
        let then = namespace.copy();
        now += DAY;
        let written = namespace.run(&wanted, now);
        assert!(namespace.understands(&then, now) && then.understands(&namespace, now), "on day {day}");
        if written.contains(&AUTHORITIES.to_owned()) {
            steps.push((day, namespace.roots("order-tls")));
        }
    }
    let expected = [(60, 2), (62, 1), (120, 2), (122, 1)];
    assert_eq!(steps, expected, "each time a second root, then one again");
}

#[test]
fn steps_wait_until_the_one_before_has_settled_however_often_it_is_run() {
    let mut namespace = Namespace::default();
    namespace.run(&wanted(), start());
    let now = start() + DAY;
    let replacing = Wanted { new_authority: true, ..wanted() };
    assert_eq!(namespace.run(&replacing, now), [AUTHORITIES, "order-tls", "payment-tls"]);
    let before = namespace.certificate("order-tls");
    for minute in 1..60 {
        assert!(namespace.run(&wanted(), now + Duration::from_mins(minute)).is_empty());
    }
    assert_eq!(namespace.certificate("order-tls"), before, "still of the old authority");
    assert_eq!(namespace.run(&wanted(), now + HOUR), ["order-tls", "payment-tls"]);
    assert_eq!(namespace.roots("order-tls"), 2);
    assert!(namespace.run(&wanted(), now + HOUR * 2 - Duration::from_mins(1)).is_empty());
    assert_eq!(namespace.run(&wanted(), now + HOUR * 2), [AUTHORITIES, "order-tls", "payment-tls"]);
    assert_eq!(namespace.roots("order-tls"), 1);
}

#[test]
fn one_change_of_authority_at_a_time() {
    let mut namespace = Namespace::default();
    namespace.run(&wanted(), start());
    let replacing = Wanted { new_authority: true, ..wanted() };
    namespace.run(&replacing, start() + DAY);
    let refused = plan(&namespace.0, &replacing, start() + DAY + HOUR / 2).unwrap_err();
    assert!(matches!(refused, Refused::UnderWay), "{refused}");
}

#[test]
fn an_authority_that_has_ended_is_replaced_at_once() {
    let mut namespace = Namespace::default();
    namespace.run(&wanted(), start());
    let late = start() + DAY * 2000;
    assert_eq!(namespace.run(&wanted(), late), [AUTHORITIES, "order-tls", "payment-tls"]);
    assert_eq!(namespace.roots("order-tls"), 1);
    assert!(namespace.understands(&namespace.copy(), late));
}

#[test]
fn what_others_have_made_is_left_as_it_is() {
    let mut namespace = Namespace::default();
    namespace.run(&wanted(), start());
    for found in namespace.0.values_mut() {
        found.is_ours = false;
    }
    // Even though it has ended.
    let written = namespace.run(&wanted(), start() + DAY * 2000);
    assert_eq!(written, Vec::<String>::new());
}

#[test]
fn a_secret_that_lacks_something_is_named() {
    let mut namespace = Namespace::default();
    namespace.0.insert("order-database".into(), Found { data: Data::new(), is_ours: false });
    let refused = plan(&namespace.0, &wanted(), start()).unwrap_err().to_string();
    assert!(refused.contains("order-database") && refused.contains("url"), "{refused}");

    namespace.0.insert(AUTHORITIES.into(), Found { data: Data::new(), is_ours: true });
    let refused = plan(&namespace.0, &wanted(), start()).unwrap_err().to_string();
    assert!(refused.contains(AUTHORITIES) && refused.contains("tls.key"), "{refused}");
}

#[test]
fn times_are_told_in_whole_days() {
    for (time, told) in [(DAY * 90, "90 days"), (DAY * 2, "2 days"), (DAY, "24 hours"), (HOUR, "1 hour")] {
        assert_eq!(days(time).to_string(), told);
    }
}
