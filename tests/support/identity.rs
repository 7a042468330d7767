//! Certificates for servers of the tests.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

/// A certificate and its key.
pub struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

impl Identity {
    /// One for a host, signed by `issuer`; without one an authority.
    pub fn new(name: &str, issuer: Option<&Self>) -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).expect("made")).expect("made");
        let mut subject = X509NameBuilder::new().expect("made");
        subject.append_entry_by_text("CN", name).expect("a name");
        let subject = subject.build();
        let mut builder = X509::builder().expect("made");
        builder.set_version(2).expect("set");
        let mut serial = BigNum::new().expect("made");
        serial
            .rand(64, openssl::bn::MsbOption::MAYBE_ZERO, false)
            .expect("random");
        builder
            .set_serial_number(&serial.to_asn1_integer().expect("a number"))
            .expect("set");
        builder.set_subject_name(&subject).expect("set");
        let issuer_name = issuer.map_or(&*subject, |issuer| issuer.certificate.subject_name());
        builder.set_issuer_name(issuer_name).expect("set");
        builder.set_pubkey(&key).expect("set");
        builder
            .set_not_before(&Asn1Time::days_from_now(0).expect("a time"))
            .expect("set");
        builder
            .set_not_after(&Asn1Time::days_from_now(2).expect("a time"))
            .expect("set");
        match issuer {
            None => builder
                .append_extension(BasicConstraints::new().critical().ca().build().expect("made"))
                .expect("appended"),
            Some(issuer) => {
                let context = builder.x509v3_context(Some(&issuer.certificate), None);
                let names = SubjectAlternativeName::new()
                    .dns(name)
                    .build(&context)
                    .expect("made");
                builder.append_extension(names).expect("appended");
            }
        }
        let signer = issuer.map_or(&key, |issuer| &issuer.key);
        builder.sign(signer, MessageDigest::sha256()).expect("signed");
        Self {
            certificate: builder.build(),
            key,
        }
    }

    /// The certificate in PEM.
    pub fn certificate(&self) -> Vec<u8> {
        self.certificate.to_pem().expect("PEM")
    }

    /// The private key in PEM.
    pub fn key(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().expect("PEM")
    }
}
