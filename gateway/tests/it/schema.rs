//! The schema as it is committed. Run with `UPDATE=1` in the environment, or `cargo xtask gen`, to write it anew.

use std::path::Path;

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let served = gateway::schema_sdl();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == served,
        "schema.graphql is stale: run this test with UPDATE=1 and look at the difference"
    );
}

#[test]
fn the_contract_has_every_name_that_clients_call() {
    let sdl = gateway::schema_sdl();
    for name in [
        "node(",
        "nodes(",
        "viewer:",
        "tenant(",
        "tenants(",
        "partners(",
        "people(",
        "apiKeys(",
        "auditLog(",
        "deskAuditLog(",
        "onboarding(",
        "onboardings(",
        "waba(",
        "wabas(",
        "number(",
        "numbers(",
        "template(",
        "templates(",
        "message(",
        "messages(",
        "contact(",
        "contacts(",
        "conversation(",
        "conversations(",
        "measures(",
        "tenantFigures(",
        "quarantine(",
        "errorExplanation(",
        "tenantCreate(",
        "tenantSuspend(",
        "tenantResume(",
        "tenantQuotaSet(",
        "tenantUpdate(",
        "partnerCreate(",
        "personCreate(",
        "deskPersonCreate(",
        "personRoleUpdate(",
        "personRemove(",
        "apiKeyCreate(",
        "apiKeyRevoke(",
        "invitationCreate(",
        "onboardingRetryStep(",
        "onboardingSkipStep(",
        "onboardingCancel(",
        "onboardingUndo(",
        "numberRefresh(",
        "profileUpdate(",
        "templateCreate(",
        "templateEdit(",
        "templateDelete(",
        "messageSend(",
        "messageCancel(",
        "messageMarkRead(",
        "contactCreate(",
        "consentSet(",
        "conversationTake(",
        "conversationPass(",
        "conversationRelease(",
        "quarantineReplace(",
        "onboardingSteps(",
        "messageUpdates(",
        "inboundMessages(",
        "@oneOf",
    ] {
        assert!(sdl.contains(name), "{name}");
    }
}
