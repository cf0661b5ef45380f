//! Conditions of a policy: what must hold with the request besides the path.

use ipnet::{IpNet, Ipv4Net};
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use keepward_api::Timestamp;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// What must hold besides. A key that this version does not know denies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    ip_allowlist: Option<Vec<IpNet>>,
    time_window: Option<TimeWindow>,
    unknown: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct TimeWindow {
    after: Time,
    before: Time,
    zone: TimeZone,
    /// Of the day on which the window opens; empty: every day.
    days: Vec<Weekday>,
}

impl Conditions {
    /// Reads conditions that a request states; besides what [`Self::parse`] refuses, a list that admits no address and a window
    /// that opens and closes at once, neither of which can be meant.
    pub fn parse_new(conditions: &Map<String, Value>) -> Result<Self, String> {
        let parsed = Self::parse(conditions)?;
        if parsed.ip_allowlist.as_ref().is_some_and(Vec::is_empty) {
            return Err("`ip_allowlist` must hold at least one address or CIDR".to_owned());
        }
        let says_times = conditions.get("time_window").is_some_and(|window| window["after"].is_string());
        if says_times && parsed.time_window.as_ref().is_some_and(|window| window.after == window.before) {
            return Err("`after` and `before` must differ".to_owned());
        }
        Ok(parsed)
    }

    /// Reads conditions; an error says which member is malformed and what would be right.
    pub fn parse(conditions: &Map<String, Value>) -> Result<Self, String> {
        let mut parsed = Self::default();
        for (key, value) in conditions {
            match key.as_str() {
                "ip_allowlist" => parsed.ip_allowlist = Some(networks(value)?),
                "time_window" => parsed.time_window = Some(TimeWindow::parse(value)?),
                _ => parsed.unknown = true,
            }
        }
        Ok(parsed)
    }

    /// What stands in a row; what can't be read denies.
    pub fn stored(text: &str) -> Self {
        let map = serde_json::from_str::<Map<String, Value>>(text).ok();
        map.and_then(|map| Self::parse(&map).ok()).unwrap_or(Self { unknown: true, ..Self::default() })
    }

    pub fn hold(&self, now: Timestamp, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !self.unknown
            && self
                .ip_allowlist
                .as_ref()
                .is_none_or(|networks| networks.iter().any(|network| network.contains(&address)))
            && self.time_window.as_ref().is_none_or(|window| window.contains(now))
    }
}

fn networks(value: &Value) -> Result<Vec<IpNet>, String> {
    let rule = || "`ip_allowlist` must be a list of addresses and CIDRs such as 10.0.0.0/8".to_owned();
    let items = value.as_array().filter(|items| items.len() <= 1000).ok_or_else(rule)?;
    items.iter().map(|item| item.as_str().and_then(parse_network).ok_or_else(rule)).collect()
}

/// An address, or a network with its prefix length. Addresses are compared as IPv4 where they are IPv4-mapped (RFC 4291,
/// 2.5.5.2), so a mapped network is the IPv4 network that it maps; one of fewer than 96 bits holds others besides, and is
/// refused.
pub fn parse_network(text: &str) -> Option<IpNet> {
    if let Ok(network) = text.parse::<IpNet>() {
        let IpNet::V6(mapped) = network else { return Some(network) };
        let Some(address) = mapped.addr().to_ipv4_mapped() else { return Some(network) };
        return Ipv4Net::new(address, mapped.prefix_len().checked_sub(96)?).ok().map(IpNet::V4);
    }
    text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()))
}

impl TimeWindow {
    fn parse(value: &Value) -> Result<Self, String> {
        let object =
            value.as_object().ok_or("`time_window` must be an object of `after`, `before`, `timezone` and `days`")?;
        for key in object.keys() {
            if !["after", "before", "timezone", "days"].contains(&key.as_str()) {
                return Err(format!("`time_window` must not have `{}`", key.chars().take(40).collect::<String>()));
            }
        }
        let time = |name: &str| match object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                value.as_str().and_then(clock).map(Some).ok_or_else(|| format!("`{name}` must be a time such as 09:30"))
            }
        };
        let zone = match object.get("timezone") {
            None | Some(Value::Null) => TimeZone::UTC,
            Some(value) => {
                let zone = value.as_str().filter(|name| name.len() <= 64).and_then(|name| TimeZone::get(name).ok());
                zone.ok_or("`timezone` must be an IANA name such as Europe/Berlin")?
            }
        };
        let days = match object.get("days") {
            None | Some(Value::Null) => Vec::new(),
            Some(value) => {
                let days = value.as_array().map(|days| days.iter().map(|day| day.as_str().and_then(weekday)).collect());
                let days: Option<Vec<_>> = days.flatten();
                days.filter(|days| !days.is_empty())
                    .ok_or("`days` must be a list of mon, tue, wed, thu, fri, sat, sun")?
            }
        };
        // A window that is not said is no window: what was meant as a limit would be none.
        let (after, before) = match (time("after")?, time("before")?) {
            (Some(after), Some(before)) => (after, before),
            (None, None) if !days.is_empty() => (Time::midnight(), Time::midnight()),
            _ => {
                return Err("`time_window` must have `after` and `before`, or `days`, or all of them".to_owned());
            }
        };
        Ok(Self { after, before, zone, days })
    }

    /// From `after` (included) to `before`; over midnight where `before` is not later. A window belongs to the day on
    /// which it opens.
    fn contains(&self, now: Timestamp) -> bool {
        // jiff ends a day before Timestamp does; a server that still runs then denies.
        let Ok(instant) = jiff::Timestamp::from_microsecond(now.microseconds()) else { return false };
        let local = instant.to_zoned(self.zone.clone());
        let (time, today) = (local.time(), local.weekday());
        let on = |day: Weekday| self.days.is_empty() || self.days.contains(&day);
        if self.after < self.before {
            return on(today) && self.after <= time && time < self.before;
        }
        (time >= self.after && on(today)) || (time < self.before && on(today.previous()))
    }
}

fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<i8>().ok()).flatten()
    };
    Time::new(digits(hour)?, digits(minute)?, 0, 0).ok()
}

fn weekday(text: &str) -> Option<Weekday> {
    let days = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let text = text.to_ascii_lowercase();
    days.into_iter().find(|(name, _)| *name == text || name.get(..3) == Some(&text)).map(|(_, day)| day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn conditions(value: Value) -> Result<Conditions, String> {
        Conditions::parse(value.as_object().unwrap())
    }
    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));

    #[test]
    fn malformed_conditions() {
        for bad in [
            json!({"ip_allowlist": "10.0.0.0/8"}),
            json!({"ip_allowlist": ["10.0.0.0/33"]}),
            json!({"ip_allowlist": [1]}),
            json!({"time_window": []}),
            json!({"time_window": {"after": "9:00"}}),
            json!({"time_window": {"after": "24:00"}}),
            json!({"time_window": {"timezone": "Mars/Olympus"}}),
            json!({"time_window": {"days": ["noday"]}}),
            json!({"time_window": {"until": "10:00"}}),
            json!({"time_window": {"days": "mon"}}),
            json!({"time_window": {"days": []}}),
            json!({"time_window": {}}),
            json!({"time_window": {"after": "10:00"}}),
        ] {
            assert!(conditions(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn new_conditions_that_can_not_be_meant() {
        for bad in [
            json!({"ip_allowlist": []}),
            json!({"time_window": {"after": "09:00", "before": "09:00"}}),
            json!({"time_window": {"after": "00:00", "before": "00:00", "days": ["mon"]}}),
        ] {
            assert!(Conditions::parse_new(bad.as_object().unwrap()).is_err(), "{bad}");
            assert!(conditions(bad).is_ok(), "a stored one keeps its meaning");
        }
        for good in [json!({}), json!({"time_window": {"days": ["mon"]}}), json!({"ip_allowlist": ["10.0.0.1"]})] {
            assert!(Conditions::parse_new(good.as_object().unwrap()).is_ok(), "{good}");
        }
    }

    #[test]
    fn unknown_conditions_deny() {
        assert!(!conditions(json!({"moon": "full"})).unwrap().hold(Timestamp::now(), HERE));
        assert!(!Conditions::stored("not json").hold(Timestamp::now(), HERE));
        assert!(conditions(json!({})).unwrap().hold(Timestamp::now(), HERE));
    }

    #[test]
    fn addresses() {
        let allow = |list: Value| conditions(json!({"ip_allowlist": list})).unwrap();
        let now = Timestamp::now();
        assert!(allow(json!(["10.0.0.0/8"])).hold(now, HERE));
        assert!(allow(json!(["10.1.2.3"])).hold(now, "::ffff:10.1.2.3".parse().unwrap()));
        assert!(!allow(json!(["10.1.2.4", "2001:db8::/32"])).hold(now, HERE));
        assert!(!allow(json!([])).hold(now, HERE), "as a stored one: it admits nobody");
        for mapped in ["::ffff:10.0.0.0/104", "::ffff:10.1.2.3", "::ffff:10.1.2.3/128", "::ffff:0:0/96"] {
            assert!(allow(json!([mapped])).hold(now, HERE), "{mapped}");
        }
        assert!(!allow(json!(["::ffff:11.0.0.0/104"])).hold(now, HERE));
        for shorter in ["::ffff:10.0.0.0/95", "::ffff:0:0/0"] {
            assert!(conditions(json!({"ip_allowlist": [shorter]})).is_err(), "{shorter}");
        }
        assert!(allow(json!(["::/0", "0.0.0.0/0"])).hold(now, HERE));
    }

    #[test]
    fn windows() {
        // 2026-01-05 is a Monday.
        let window = |value: Value| conditions(json!({"time_window": value})).unwrap();
        let office = window(json!({"after": "09:00", "before": "17:00", "timezone": "Europe/Berlin", "days": ["mon"]}));
        for (time, inside) in [
            ("2026-01-05T08:00:00Z", true),
            ("2026-01-05T07:59:59Z", false),
            ("2026-01-05T15:59:59Z", true),
            ("2026-01-05T16:00:00Z", false),
            ("2026-01-06T10:00:00Z", false),
        ] {
            assert_eq!(office.hold(at(time), HERE), inside, "{time}");
        }
        let night = window(json!({"after": "22:00", "before": "06:00", "days": ["Monday"]}));
        for (time, inside) in [
            ("2026-01-05T22:00:00Z", true),
            ("2026-01-06T05:59:00Z", true),
            ("2026-01-06T06:00:00Z", false),
            ("2026-01-05T05:00:00Z", false),
            ("2026-01-06T23:00:00Z", false),
        ] {
            assert_eq!(night.hold(at(time), HERE), inside, "{time}");
        }
    }
}
