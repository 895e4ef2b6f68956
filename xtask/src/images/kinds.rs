//! Which images there are.

/// An image: one static program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// What follows `bookstore/`.
    pub(crate) name: &'static str,
    /// The package that its program is built from.
    pub(crate) package: &'static str,
    /// The program's name; it lies in the root folder.
    pub(crate) program: &'static str,
    pub(crate) description: &'static str,
    /// Where it listens in the cluster.
    pub(crate) ports: &'static [u16],
}

const GRPC: u16 = 50051;
const HTTP: u16 = 8080;
const ADMIN: u16 = 51051;

pub(crate) const IMAGES: [Image; 10] = [
    Image::service("identity", "Users, sessions, roles and addresses of the bookstore", &[GRPC, ADMIN]),
    Image::service("inventory", "Shops, books, stock and reservations of the bookstore", &[GRPC, ADMIN]),
    Image::service("order", "Orders, shipments and returns of the bookstore", &[GRPC, ADMIN]),
    Image::service("payment", "Wallets, cards, captures and refunds of the bookstore", &[GRPC, ADMIN]),
    Image::service("notification", "Mails of the bookstore", &[GRPC, ADMIN]),
    Image::service("gateway", "The one door to the bookstore", &[HTTP, ADMIN]),
    Image { program: "bookstore", ..Image::command("cli", "The bookstore's client for the terminal") },
    Image::command("verify", "Says what is not as it must be in a bookstore"),
    Image::command("certificates", "Makes and renews the secrets of a bookstore that nobody has given it"),
    Image::command("demo", "Loads the demo catalogue and the demo users into a bookstore"),
];

impl Image {
    const fn service(name: &'static str, description: &'static str, ports: &'static [u16]) -> Self {
        Self { name, package: name, program: name, description, ports }
    }

    const fn command(name: &'static str, description: &'static str) -> Self {
        Self::service(name, description, &[])
    }

    /// Finds an image by its name.
    pub(crate) fn parse(name: &str) -> Result<&'static Self, String> {
        IMAGES.iter().find(|image| image.name == name).ok_or_else(|| {
            let names: Vec<&str> = IMAGES.iter().map(|image| image.name).collect();
            format!("there are {}", names.join(", "))
        })
    }
}
