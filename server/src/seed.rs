//! The demo's house: its people, slots, queue and number. Written once, and never into a house of other people.
//!
//! The passwords are known to everybody, so a server is seeded only on request. Read next: the demo's cast,
//! which plays these people.

use cordboard_core::{
    api::RouteStop,
    ids::{Email, Phone, QueueId, UserId},
    policy::{Permission, Rights, Role},
};

use crate::{
    auth::Passwords,
    error::ApiError,
    store::{NewPerson, Store},
};

/// A person of the demo.
#[derive(Debug, Clone, Copy)]
pub struct DemoPerson {
    /// Their id.
    pub id: u32,
    /// Their name.
    pub name: &'static str,
    /// What they sign in with.
    pub email: &'static str,
    /// Their extension.
    pub extension: &'static str,
    /// What they are here to do.
    pub role: Role,
    /// What they may do beside it.
    pub grants: Rights,
    /// The number that rings when their page is not there.
    pub fallback: Option<&'static str>,
}

/// Everybody's password in the demo.
pub const DEMO_PASSWORD: &str = "switchboard";

/// The number that leads to the desk. From the range that is kept free for fiction.
pub const DEMO_NUMBER: &str = "+14155550100";

/// The demo's slots.
pub const DEMO_SLOTS: [&str; 4] = ["P1", "P2", "P3", "P4"];

const fn agent(
    id: u32,
    name: &'static str,
    email: &'static str,
    extension: &'static str,
) -> DemoPerson {
    DemoPerson {
        id,
        name,
        email,
        extension,
        role: Role::Agent,
        grants: Rights::NONE,
        fallback: None,
    }
}

/// The people of the demo. The first works the desk.
pub const DEMO_PEOPLE: [DemoPerson; 12] = [
    DemoPerson {
        id: 1,
        name: "Ada Lovelace",
        email: "ada@demo.example",
        extension: "101",
        role: Role::Operator,
        // So that whoever tries the demo can look at all of it. An administrator would do as well, but the demo shows
        // what grants are, too.
        grants: Rights::NONE
            .and(Permission::Directory)
            .and(Permission::Presence)
            .and(Permission::Audit)
            .and(Permission::People)
            .and(Permission::House),
        fallback: None,
    },
    agent(2, "Grace Hopper", "grace@demo.example", "102"),
    agent(3, "Alan Turing", "alan@demo.example", "103"),
    agent(4, "Edsger Dijkstra", "edsger@demo.example", "104"),
    DemoPerson {
        fallback: Some("+14155550177"),
        ..agent(5, "Barbara Liskov", "barbara@demo.example", "105")
    },
    agent(6, "Donald Knuth", "donald@demo.example", "106"),
    agent(7, "Margaret Hamilton", "margaret@demo.example", "107"),
    agent(8, "Dennis Ritchie", "dennis@demo.example", "108"),
    agent(9, "Radia Perlman", "radia@demo.example", "109"),
    agent(10, "Tony Hoare", "tony@demo.example", "121"),
    agent(11, "Karen Spärck Jones", "karen@demo.example", "122"),
    agent(12, "Hedy Lamarr", "hedy@demo.example", "123"),
];

/// What every house begins with: a queue, where calls wait that nobody takes, and four slots. Where there is a queue
/// already, nothing is changed.
pub async fn furnish(store: &Store) -> Result<(), ApiError> {
    if !store.queues().await?.is_empty() {
        return Ok(());
    }
    for (position, slot) in (0..).zip(DEMO_SLOTS) {
        store
            .upsert_slot(
                &slot.parse().expect("the demo's slots are slot names"),
                slot,
                position,
            )
            .await?;
    }
    let desk: QueueId = "desk".parse().expect("a queue name");
    store.upsert_queue(&desk, "Front desk").await?;
    Ok(())
}

/// Writes the demo's house. Doing it again changes nothing.
pub async fn demo(store: &Store, passwords: &Passwords) -> Result<Phone, ApiError> {
    let number: Phone = DEMO_NUMBER.parse().expect("the demo's number is a number");
    if store.number(&number).await?.is_some() {
        return Ok(number);
    }
    let ours = |id: UserId, email: &Email| {
        DEMO_PEOPLE
            .iter()
            .any(|d| UserId(d.id) == id && d.email == email.as_str())
    };
    if store.people().await?.iter().any(|p| !ours(p.id, &p.email)) {
        return Err(ApiError::Refused(
            "this database has people of its own. Start without the demo's, or on another database"
                .to_owned(),
        ));
    }
    // One hash for all: everybody knows the password, and twelve hashes would take a second.
    let hash = passwords.hash(DEMO_PASSWORD).await?;
    for person in DEMO_PEOPLE {
        let new = NewPerson {
            id: UserId(person.id),
            name: person.name.into(),
            email: person
                .email
                .parse()
                .expect("the demo's addresses are addresses"),
            extension: person
                .extension
                .parse()
                .expect("the demo's extensions are extensions"),
            role: person.role,
            grants: person.grants,
            fallback: person
                .fallback
                .map(|n| n.parse().expect("the demo's numbers are numbers")),
            password_hash: hash.clone(),
            ..NewPerson::default()
        };
        store.upsert_person(&new).await?;
    }
    furnish(store).await?;
    let desk: QueueId = "desk".parse().expect("a queue name");
    store
        .upsert_number(&number, &[RouteStop::Queue { queue: desk }])
        .await?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordboard_core::ids::Emergency;

    #[tokio::test]
    async fn a_house_of_other_people_is_not_given_the_demos() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let passwords = Passwords::new(64);
        let boss = NewPerson {
            id: UserId(1),
            name: "Florence".into(),
            email: "florence@example.com".parse().unwrap(),
            extension: "101".parse().unwrap(),
            password_hash: "hers".to_owned(),
            ..NewPerson::default()
        };
        store.upsert_person(&boss).await.unwrap();
        let refused = demo(&store, &passwords).await;
        assert!(matches!(refused, Err(ApiError::Refused(_))), "{refused:?}");
        let hash = store.password_hash(UserId(1)).await.unwrap();
        assert_eq!(hash.as_deref(), Some("hers"));
    }

    #[test]
    fn nobodys_extension_is_a_call_for_help() {
        for person in &DEMO_PEOPLE {
            assert_eq!(
                Emergency::recognise(person.extension),
                None,
                "{}",
                person.name
            );
        }
    }
}
