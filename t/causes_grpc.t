#!/usr/bin/perl

# Every cause in this table, through a real nginx.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Runner;
use Upstream502::Scenarios::Grpc;

play(
    Upstream502::Scenarios::Grpc::rows(),
    %Upstream502::Scenarios::Grpc::OPTIONS
);
