//! Doors: who stands outside of a method whatever it names. No token, the wrong one, or a service that is not listed.

use futures::future::join_all;
use tonic::Code;

use super::{
    case::{Case, request},
    differ, told,
};
use crate::{
    isolation::{
        matrix::{Matrix, Verdict},
        seen::Seen,
        world::World,
    },
    support::grpc::Headers,
};

impl World {
    /// SERVICE methods: a listed service asks for a thing under another tenant than its own (ISO-1).
    pub(super) async fn attack_service(&self, case: &Case, matrix: &mut Matrix) {
        let tenant = case.handles.iter().any(|handle| handle.field == "tenant_id");
        if case.rpc.name() == "identity.Check" || !tenant {
            return;
        }
        let stranger = &self.attackers.first().expect("a stranger").own;
        let headers =
            Headers { user: None, service: self.listed(&case.rpc).await, more: Vec::new() };
        for handle in case.handles.iter().filter(|handle| handle.field != "tenant_id") {
            let own = request(&case.rpc, stranger).expect("the stranger's request");
            let (foreign, never) = (self.victim.get(handle.kind), self.never_was(handle.kind));
            let seen = Seen::of(
                &self.knock(&case.rpc, &headers, &handle.put(&own, foreign)).await,
                foreign,
            );
            let wanted =
                Seen::of(&self.knock(&case.rpc, &headers, &handle.put(&own, &never)).await, &never);
            let works = self.knock(&case.rpc, &headers, &own).await;
            let verdict = match works {
                Err(status) => Err(format!("fails for the tenant's own: {}", told(&status))),
                Ok(_) if seen != wanted => Err(differ(&seen, &wanted)),
                Ok(_) if seen.code != Code::NotFound => {
                    Err(format!("wanted NOT_FOUND: {} {}", seen.code, seen.raw))
                }
                Ok(_) => Ok("absent"),
            };
            matrix.cell(&case.rpc.name(), &handle.field, "service, other tenant", verdict);
        }
    }

    /// The rightful request without one of the tokens, or with a wrong one.
    pub(super) async fn doors(&self, case: &Case) -> Vec<(&'static str, Verdict)> {
        let rpc = &case.rpc;
        if rpc.access.public {
            return vec![("nobody", Ok("public"))];
        }
        let Headers { user, service, .. } = self.rightful(rpc).await;
        let (listed, callee) = (rpc.access.callers.first().expect("a caller"), rpc.callee());
        let elsewhere = if callee == "messaging" { "assets" } else { "messaging" };
        let elsewhere = Some(self.services.token(listed, elsewhere).await.expect("a token"));
        let by =
            |user: &Option<String>, service: &Option<String>, more: Vec<(&'static str, String)>| {
                (Headers { user: user.clone(), service: service.clone(), more }, case)
            };
        let some_user = Some(self.owner.token.clone());
        let mut doors = vec![
            ("nobody", by(&None, &None, vec![]), Code::Unauthenticated),
            ("a user alone", by(&some_user, &None, vec![]), Code::Unauthenticated),
            ("a token for another service", by(&user, &elsewhere, vec![]), Code::Unauthenticated),
            ("a user's token as a service's", by(&user, &some_user, vec![]), Code::Unauthenticated),
        ];
        let unlisted = testkit::Services::names()
            .find(|name| !rpc.access.callers.iter().any(|listed| listed == name));
        if let Some(unlisted) = unlisted {
            let token = Some(self.services.token(unlisted, &callee).await.expect("a token"));
            doors.push((
                "a service that is not listed",
                by(&user, &token, vec![]),
                Code::PermissionDenied,
            ));
        }
        if user.is_some() {
            doors.push(("a service alone", by(&None, &service, vec![]), Code::Unauthenticated));
            doors.push((
                "a service's token as a user's",
                by(&service, &service, vec![]),
                Code::Unauthenticated,
            ));
            let again =
                vec![("authorization", format!("Bearer {}", user.clone().unwrap_or_default()))];
            doors.push(("two users at once", by(&user, &service, again), Code::Unauthenticated));
        } else {
            doors.push((
                "a service with a user",
                by(&some_user, &service, vec![]),
                Code::PermissionDenied,
            ));
        }
        join_all(doors.into_iter().map(async |(door, (headers, case), wanted)| {
            let answer = self.knock(&case.rpc, &headers, &case.rightful).await;
            let verdict = match answer {
                Ok(body) => Err(format!("was answered {body}")),
                Err(status) if status.code() == wanted => Ok("closed"),
                // Which of the two a refused pair of tokens is, the server may say; it may not answer.
                Err(status)
                    if matches!(
                        status.code(),
                        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument
                    ) && matches!(door, "two users at once" | "a service with a user") =>
                {
                    Ok("closed")
                }
                Err(status) => Err(format!("wanted {wanted}: {}", told(&status))),
            };
            (door, verdict)
        }))
        .await
    }
}
