#!/usr/bin/perl

# Every cause in this table, through a real nginx.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Runner;
use Upstream502::Scenarios::Cgi;
use Upstream502::Scenarios::Memcached;

play(
    [
        map { @$_ } Upstream502::Scenarios::Cgi::rows(),
        Upstream502::Scenarios::Memcached::rows()
    ],
    %Upstream502::Scenarios::Cgi::OPTIONS
);
