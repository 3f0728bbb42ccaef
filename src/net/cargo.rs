//! What may travel on which side of the wall.

use super::scu::{Cargo, Inside, Outside, Zone};
use crate::custody::homebound::Homebound;
use crate::custody::parcel::Parcel;
use std::io::{self, Read};

impl Zone for Outside {
    type Cargo = Parcel;
}

impl Zone for Inside {
    type Cargo = Homebound;
}

impl Cargo for Parcel {
    fn sop_class(&self) -> &str {
        self.sop_class()
    }

    fn sop_instance(&self) -> &str {
        self.sop_instance()
    }

    fn transfer_syntax(&self) -> &str {
        self.transfer_syntax()
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.dataset()?))
    }
}

impl Cargo for Homebound {
    fn sop_class(&self) -> &str {
        self.sop_class()
    }

    fn sop_instance(&self) -> &str {
        self.sop_instance()
    }

    fn transfer_syntax(&self) -> &str {
        self.transfer_syntax()
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.dataset()?))
    }
}
