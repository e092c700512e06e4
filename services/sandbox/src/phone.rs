//! Telephone numbers as WhatsApp treats them: digits, dial codes, and the few countries whose
//! WhatsApp id differs from the number that people write.

/// Dial codes and their countries, longest first where one begins another.
const DIAL_CODES: &str = "\
    1809DO 1829DO 1849DO 1787PR 1939PR 1876JM 1868TT 1242BS 1246BB 211SS 212MA 213DZ 216TN \
    218LY 220GM 221SN 223ML 224GN 225CI 226BF 227NE 228TG 229BJ 230MU 231LR 232SL 233GH 234NG \
    235TD 237CM 238CV 241GA 242CG 243CD 244AO 248SC 249SD 250RW 251ET 252SO 253DJ 254KE 255TZ \
    256UG 257BI 258MZ 260ZM 261MG 262RE 263ZW 264NA 265MW 266LS 267BW 268SZ 297AW 350GI 351PT \
    352LU 353IE 354IS 355AL 356MT 357CY 358FI 359BG 370LT 371LV 372EE 373MD 374AM 375BY 376AD \
    377MC 380UA 381RS 382ME 385HR 386SI 387BA 389MK 420CZ 421SK 423LI 501BZ 502GT 503SV 504HN \
    505NI 506CR 507PA 509HT 591BO 592GY 593EC 594GF 595PY 596MQ 597SR 598UY 599CW 673BN 675PG \
    679FJ 852HK 853MO 855KH 856LA 880BD 886TW 960MV 961LB 962JO 964IQ 965KW 966SA 967YE 968OM \
    970PS 971AE 972IL 973BH 974QA 975BT 976MN 977NP 992TJ 993TM 994AZ 995GE 996KG 998UZ 20EG \
    27ZA 30GR 31NL 32BE 33FR 34ES 36HU 39IT 40RO 41CH 43AT 44GB 45DK 46SE 47NO 48PL 49DE 51PE \
    52MX 53CU 54AR 55BR 56CL 57CO 58VE 60MY 61AU 62ID 63PH 64NZ 65SG 66TH 81JP 82KR 84VN 86CN \
    90TR 91IN 92PK 93AF 94LK 95MM 98IR 1US 7RU";

/// The digits of what somebody wrote.
pub(crate) fn digits(written: &str) -> String {
    written.chars().filter(char::is_ascii_digit).collect()
}

fn entries() -> impl Iterator<Item = (&'static str, &'static str)> {
    DIAL_CODES.split_ascii_whitespace().filter_map(|entry| entry.split_at_checked(entry.len() - 2))
}

fn entry(digits: &str) -> Option<(&'static str, &'static str)> {
    entries().find(|(dial, _)| digits.starts_with(dial))
}

/// ISO 3166 country of an international number; `ZZ` where the dial code is not known.
pub(crate) fn country(digits: &str) -> &'static str {
    entry(digits).map_or("ZZ", |(_, country)| country)
}

/// Dial code of an international number (`1` for all of North America).
pub(crate) fn dial_code(digits: &str) -> &'static str {
    if digits.starts_with('1') { "1" } else { entry(digits).map_or("", |(dial, _)| dial) }
}

/// The WhatsApp id of a number: Brazil's mobile 9 is absent from area code 31 up, Mexico's has a 1
/// after the country code. So `wa_id` may differ from what was sent, as with Meta.
pub(crate) fn wa_id(digits: &str) -> String {
    if let Some(rest) = digits.strip_prefix("55")
        && rest.len() == 11
        && let Some((area, subscriber)) = rest.split_at_checked(2)
        && area >= "31"
        && let Some(short) = subscriber.strip_prefix('9')
    {
        return format!("55{area}{short}");
    }
    if let Some(rest) = digits.strip_prefix("52")
        && rest.len() == 10
    {
        return format!("521{rest}");
    }
    digits.to_owned()
}

/// How the number node shows a number: `+1 631-555-5555`.
pub(crate) fn display(digits: &str) -> String {
    let dial = dial_code(digits);
    let rest = digits.strip_prefix(dial).unwrap_or(digits);
    if dial == "1"
        && let (Some(area), Some(exchange), Some(line)) =
            (rest.get(0..3), rest.get(3..6), rest.get(6..))
    {
        return format!("+1 {area}-{exchange}-{line}");
    }
    if dial.is_empty() { format!("+{rest}") } else { format!("+{dial} {rest}") }
}

/// A number that belongs to nobody, for a sign-up that named none: the ranges that regulators keep
/// for fiction in the United States (555-01xx) and in the United Kingdom.
pub(crate) fn fictional(country: &str, index: usize) -> String {
    const AREAS: [u16; 20] = [
        202, 212, 213, 303, 312, 313, 404, 407, 415, 503, 512, 602, 617, 702, 713, 718, 801, 813,
        901, 916,
    ];
    if country == "GB" {
        return format!("447700900{:03}", index % 1_000);
    }
    let area = AREAS.get((index / 100) % AREAS.len()).copied().unwrap_or(202);
    format!("1{area}55501{:02}", index % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatsapp_ids_differ_from_numbers_in_brazil_and_mexico() {
        assert_eq!(wa_id("5531987654321"), "553187654321");
        assert_eq!(wa_id("5511987654321"), "5511987654321");
        assert_eq!(wa_id("525512345678"), "5215512345678");
        assert_eq!(wa_id("351912000111"), "351912000111");
    }

    #[test]
    fn numbers_are_shown_as_meta_shows_them() {
        assert_eq!(display("16315555555"), "+1 631-555-5555");
        assert_eq!(display("351912000111"), "+351 912000111");
        assert_eq!(country("351912000111"), "PT");
    }
}
