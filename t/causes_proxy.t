#!/usr/bin/perl

# Every cause in this table, through a real nginx.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Runner;
use Upstream502::Scenarios::Proxy;
use Upstream502::Scenarios::Send;

play(
    [
        map { @$_ } Upstream502::Scenarios::Proxy::rows(),
        Upstream502::Scenarios::Send::rows()
    ],
    %Upstream502::Scenarios::Send::OPTIONS
);
