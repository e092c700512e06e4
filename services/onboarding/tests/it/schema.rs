//! The migrated database follows the rules (§1.3), and each method of services has its purpose (ISO-2).

use rstest::rstest;
use server::{Access, Methods};
use store::Backend;
use store::schema::catalogue_faults;

use crate::state::State;

#[rstest]
#[tokio::test]
async fn the_migrated_schema_has_no_faults(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let state = State::on(backend).await;
    let faults = catalogue_faults(&state.database.migrate, "onboarding").await.unwrap();
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn every_method_for_services_answers_from_one_purpose() {
    let ours = Methods::ours().unwrap().all();
    let for_services = ours.filter(|method| {
        method.path.starts_with("/switchboard.onboarding.v1.") && is_for_services(&method.access)
    });
    let mut known: Vec<_> = store::purpose::onboarding::ALL
        .iter()
        .flat_map(store::purpose::Purpose::methods)
        .copied()
        .collect();
    let mut wanted: Vec<_> = for_services.map(|method| method.path.as_str()).collect();
    known.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(known, wanted);
}

fn is_for_services(access: &Access) -> bool {
    matches!(access, Access::Service { .. })
}
