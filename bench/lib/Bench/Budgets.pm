# What may be spent at most, beside what was.

package Bench::Budgets;

use v5.36;

use Exporter qw(import);

our @EXPORT_OK = qw(judge);

# Private memory is flat if it does not grow by more than a few pages, which
# connections that were not open before may take.
my @BUDGETS = (
    [ 'success: instructions'                  => '<= 250',  '%.0f' ],
    [ 'success: bytes of pool and heap'        => '<= 128',  '%.0f' ],
    [ 'success: locks'                         => '<= 0',    '%.0f' ],
    [ 'success: formatting'                    => '<= 0',    '%.0f' ],
    [ 'success: system calls'                  => '<= 0',    '%.0f' ],
    [ 'refused 502: instructions, %'           => '<= 12',   '%.1f' ],
    [ 'success: throughput, ratio'             => '>= 0.99', '%.3f' ],
    [ 'refused, evidence on: ratio'            => '>= 0.98', '%.3f' ],
    [ 'refused, evidence forbidden: ratio'     => '>= 0.98', '%.3f' ],
    [ 'one probe, median of a flood, us'       => '<= 50',   '%.1f' ],
    [ 'one probe, at most, us'                 => '<= 2000', '%.0f' ],
    [ 'worker held by a scrape, ms'            => '<= 10',   '%.1f' ],
    [ 'worker held by any readers, ms'         => '<= 15',   '%.1f' ],
    [ 'worker held by saving, ms more'         => '<= 1',    '%+.1f' ],
    [ '600 readers, MiB more'                  => '<= 64',   '%.0f' ],
    [ '600 readers, MiB kept'                  => '<= 8',    '%+.0f' ],
    [ 'memory per peer, bytes'                 => '<= 1024', '%.0f' ],
    [ 'memory per upstream, bytes'             => '<= 6144', '%.0f' ],
    [ 'memory per event, bytes'                => '<= 768',  '%.0f' ],
    [ 'memory per incident, bytes'             => '<= 1024', '%.0f' ],
    [ 'private memory, a million requests, KiB' => '<= 64',   '%+.0f' ],
);

# Of what was measured: [ name, limit, measured, verdict ]. What only a quiet
# machine can tell is said to be unknown where the machine was not.
sub judge ( $measured, %noise ) {
    my @judged;
    for my $budget (@BUDGETS) {
        my ( $name, $limit, $format ) = @$budget;
        my $value = sprintf $format, $measured->{$name} // next;
        my ( $most, $number ) = $limit =~ /^(<)?\S+ (\S+)/;
        my $kept = $most ? $value <= $number : $value >= $number;
        my $verdict = $kept ? 'OK' : $noise{$name} // 'OVER';
        $value = 0 if $value == 0;    # not -0
        push @judged, [ $name, $limit, $value, $verdict ];
    }
    return @judged;
}

1;
