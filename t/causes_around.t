#!/usr/bin/perl

# Caches, clients and subrequests: what counts and what does not.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Runner;
use Upstream502::Scenarios::Around;

play(
    Upstream502::Scenarios::Around::rows(),
    setup => \&Upstream502::Scenarios::Around::setup
);
