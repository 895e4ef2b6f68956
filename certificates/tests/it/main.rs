//! On a real cluster, in a namespace of its own: the one whose kubeconfig `BOOKSTORE_TEST_KUBECONFIG` names.

use std::{
    env,
    io::Write as _,
    time::{Duration, SystemTime},
};

use anyhow::{Error, Result};
use certificates::{
    cluster::Namespace,
    plan::{self, Secrets},
    show,
    wanted::{Lives, Service, Wanted},
};
use k8s_openapi::api::core::v1::{Namespace as KubernetesNamespace, Secret};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use values::Clock;

const VARIABLE: &str = "BOOKSTORE_TEST_KUBECONFIG";
const DAY: Duration = Duration::from_hours(24);

/// A fresh namespace.
struct Place {
    client: Client,
    name: String,
}

impl Place {
    /// `None`, and a line that says so, where there is no cluster.
    async fn new() -> Result<Option<Self>> {
        let Some(path) = env::var_os(VARIABLE) else {
            writeln!(std::io::stderr(), "skipped: {VARIABLE} names no kubeconfig of a cluster")?;
            return Ok(None);
        };
        let kubeconfig = Kubeconfig::read_from(path)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let name = format!("images-certificates-{}", uuid::Uuid::now_v7().simple());
        let namespaces: Api<KubernetesNamespace> = Api::all(client.clone());
        let namespace = KubernetesNamespace {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            ..KubernetesNamespace::default()
        };
        namespaces.create(&PostParams::default(), &namespace).await?;
        Ok(Some(Self { client, name }))
    }

    fn secrets(&self) -> Namespace {
        Namespace::new(self.client.clone(), &self.name)
    }

    async fn leave(self) -> Result<()> {
        let namespaces: Api<KubernetesNamespace> = Api::all(self.client);
        namespaces.delete(&self.name, &DeleteParams::background()).await?;
        Ok(())
    }
}

fn wanted(namespace: &str) -> Result<Wanted> {
    let of = |text: &str| text.parse::<Service>().map_err(Error::msg);
    Ok(Wanted {
        namespace: namespace.to_owned(),
        trust_domain: "bookstore.local".into(),
        cluster_domain: "cluster.local".into(),
        services: vec![of("order=order,order-headless")?, of("payment=payment,payment-headless")?],
        accounts: vec!["order-database=postgres://order@postgres:5432/order".parse().map_err(Error::msg)?],
        signing_key: Some("identity-signing-key".into()),
        admin: Some("admin-account=admin@example.com".parse().map_err(Error::msg)?),
        lives: Lives { certificate: DAY * 90, authority: DAY * 1095, settle: Duration::from_hours(1) },
        new_authority: false,
    })
}

fn now() -> SystemTime {
    Clock::system().now().into()
}

fn data_of(secrets: Secrets) -> Vec<(String, plan::Data)> {
    secrets.into_iter().map(|(name, found)| (name, found.data)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_at_once_agree_on_one_authority_and_one_password() {
    let Some(place) = Place::new().await.unwrap() else { return };
    let wanted = wanted(&place.name).unwrap();
    let runs = (0..8).map(|_| {
        let (secrets, wanted) = (place.secrets(), wanted.clone());
        tokio::spawn(async move { secrets.ensure(&wanted, now()).await })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap().unwrap();
    }
    let found = place.secrets().find(plan::names(&wanted)).await.unwrap();
    assert_eq!(found.len(), plan::names(&wanted).len());
    let authority = &found["bookstore-ca"].data["tls.crt"];
    for service in &wanted.services {
        assert_eq!(&found[&service.secret()].data["ca.crt"], authority);
    }
    assert!(show::report(&found, &wanted.services, now()).is_good());

    let before = data_of(found);
    let told = place.secrets().ensure(&wanted, now()).await.unwrap();
    assert!(told.iter().all(|(_, line)| line.starts_with("kept")), "{told:?}");
    assert_eq!(data_of(place.secrets().find(plan::names(&wanted)).await.unwrap()), before);
    place.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_once_also_renew_once() {
    let Some(place) = Place::new().await.unwrap() else { return };
    let wanted = wanted(&place.name).unwrap();
    place.secrets().ensure(&wanted, now()).await.unwrap();
    let later = now() + DAY * 61;
    let runs = (0..8).map(|_| {
        let (secrets, wanted) = (place.secrets(), wanted.clone());
        tokio::spawn(async move { secrets.ensure(&wanted, later).await })
    });
    let mut renewals = 0;
    for run in runs.collect::<Vec<_>>() {
        let told = run.await.unwrap().unwrap();
        renewals += told.iter().filter(|(_, line)| line.starts_with("renewed")).count();
    }
    assert!(renewals <= wanted.services.len(), "{renewals} renewals of {}", wanted.services.len());
    place.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_is_removed_and_what_was_given_stays() {
    let Some(place) = Place::new().await.unwrap() else { return };
    let wanted = wanted(&place.name).unwrap();
    let given = Secret {
        metadata: ObjectMeta { name: Some("admin-account".into()), ..ObjectMeta::default() },
        string_data: Some(
            [("email", "owner@example.com"), ("password", "chosen")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        ..Secret::default()
    };
    let api: Api<Secret> = Api::namespaced(place.client.clone(), &place.name);
    api.create(&PostParams::default(), &given).await.unwrap();

    place.secrets().ensure(&wanted, now()).await.unwrap();
    let mut removed = place.secrets().remove().await.unwrap();
    removed.sort();
    assert_eq!(
        removed,
        ["bookstore-ca", "identity-signing-key", "order-database", "order-tls", "payment-tls"]
    );
    let left = place.secrets().find(plan::names(&wanted)).await.unwrap();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["admin-account"]);
    assert_eq!(left["admin-account"].data["password"], b"chosen");
    let services: Vec<Service> = wanted.services;
    assert!(!show::report(&left, &services, now()).is_good());
    place.leave().await.unwrap();
}
