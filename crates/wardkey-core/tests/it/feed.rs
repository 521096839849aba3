//! The cache and the truth, under random interleavings.

use std::time::Duration;

use proptest::prelude::*;
use wardkey_core::testing::{TestKeys, yield_once};
use wardkey_core::{Catalogue, Code, KeyState, NeededPermissions, Requirement, Standing, Subject, Verifier};

wardkey_core::permissions! { "Pipelines" { PipelinesRead = "pipelines:read", read, "See pipelines" } }

/// Waits until the condition holds; fails after ten seconds.
pub(crate) async fn within_deadline(condition: impl AsyncFn() -> bool) {
    let held = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), held)
        .await
        .expect("the condition holds within ten seconds");
}

async fn code(verifier: &Verifier, secret: &str) -> Result<(), Code> {
    let permissions = NeededPermissions::AllOf(vec!["pipelines:read".parse().unwrap()]);
    let requirement = Requirement { permissions, ..Requirement::NONE };
    verifier.verify(secret.as_bytes(), None, &requirement).await.map(drop).map_err(|error| error.code())
}

/// What happens to one of two keys of the same organization, or around them.
#[derive(Debug, Clone)]
enum Step {
    SetKey(usize, KeyState),
    SetPrincipal(usize, Standing),
    SetOrganization(Standing),
    /// The permission that both keys list appears in the catalogue, or is gone from it.
    SetCatalogue(bool),
    NewEpoch,
    /// The verifier polls.
    CatchUp,
    /// A verification of a key begins and is left hanging at the store, or goes on.
    Verify(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let state = prop_oneof![Just(KeyState::Active), Just(KeyState::Disabled)];
    let standing = || prop_oneof![Just(Standing::Active), Just(Standing::Inactive)];
    let step = prop_oneof![
        2 => (0..2usize, state).prop_map(|(key, state)| Step::SetKey(key, state)),
        2 => (0..2usize, standing()).prop_map(|(key, state)| Step::SetPrincipal(key, state)),
        1 => standing().prop_map(Step::SetOrganization),
        2 => any::<bool>().prop_map(Step::SetCatalogue),
        1 => Just(Step::NewEpoch),
        3 => Just(Step::CatchUp),
        6 => (0..2usize).prop_map(Step::Verify),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("WARDKEY_SOAK").is_some() { 20_000 } else { 500 }))]

    #[test]
    fn after_catching_up_every_answer_is_the_truth(steps in steps(), hanging in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // As a task among the others: what is blocked on would get a turn only after all of them.
        runtime.block_on(runtime.spawn(async move {
            let keys = TestKeys::new(CATALOGUE, &[]);
            let records = [keys.record(&["pipelines:read"]), keys.record(&["pipelines:read"])];
            let secrets: Vec<_> = records
                .iter()
                .map(|record| keys.issue_with(&[], |issued| *issued = record.clone()).expose().to_owned())
                .collect();
            let verifier = keys.verifier();
            keys.store().set_unsteady(hanging);
            let mut truth = [(KeyState::Active, Standing::Active); 2];
            let mut organization = Standing::Active;
            let mut catalogued = true;
            let mut under_way = Vec::new();
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    Step::SetKey(n, state) => {
                        truth[n].0 = state;
                        let id = records[n].key;
                        keys.store().change(id, Subject::Key(id), |record| record.state = state);
                    }
                    Step::SetPrincipal(n, state) => {
                        truth[n].1 = state;
                        let subject = Subject::Principal(records[n].principal.id());
                        keys.store().change(records[n].key, subject, |record| record.principal.state = state);
                    }
                    Step::SetOrganization(state) => {
                        organization = state;
                        for record in &records {
                            let subject = Subject::Organization(record.organization.id);
                            keys.store().change(record.key, subject, |record| record.organization.state = state);
                        }
                    }
                    Step::SetCatalogue(listed) => {
                        catalogued = listed;
                        let catalogue = if listed { Catalogue::declared(CATALOGUE) } else { Catalogue::default() };
                        keys.store().change_deployment(Subject::Catalogue, |deployment| deployment.catalogue = catalogue);
                    }
                    Step::NewEpoch => keys.store().begin_new_epoch(),
                    Step::CatchUp => drop(verifier.catch_up().await.unwrap()),
                    Step::Verify(n) => {
                        let (verifier, secret) = (verifier.clone(), secrets[n].clone());
                        let verification = tokio::spawn(async move { code(&verifier, &secret).await });
                        // Some go on to their end at once, others overlap with the steps that follow.
                        if hanging >> (at % 64) & 1 == 0 {
                            let _any_answer = verification.await.unwrap();
                        } else {
                            yield_once().await;
                            under_way.push(verification);
                        }
                    }
                }
            }
            // Verifications that are still under way may answer as of when they began; what they leave behind in the
            // cache must be right once the feed has been read.
            for verification in under_way {
                let _any_answer = verification.await.unwrap();
            }
            verifier.catch_up().await.unwrap();
            for (n, (state, principal)) in truth.into_iter().enumerate() {
                let expected = match (state, principal, organization) {
                    (KeyState::Disabled, _, _) => Err(Code::KeyDisabled),
                    (_, Standing::Inactive, _) => Err(Code::PrincipalInactive),
                    (_, _, Standing::Inactive) => Err(Code::OrganizationSuspended),
                    _ if !catalogued => Err(Code::InsufficientPermissions),
                    _ => Ok(()),
                };
                prop_assert_eq!(code(&verifier, &secrets[n]).await, expected);
            }
            Ok(())
        })).unwrap()?;
    }
}
