// Copyright 2018 Developers of the Otter project.
//
// Licensed under the Apache License, Version 2.0 <LICENSE-APACHE or
// https://www.apache.org/licenses/LICENSE-2.0> or the MIT license
// <LICENSE-MIT>, at your option. This file may not be copied, modified, or
// distributed except according to those terms.

//! Rivers and what swims in them.

pub mod river;
