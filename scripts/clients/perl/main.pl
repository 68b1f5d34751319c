# Perl: DBD::MariaDB, prepared on the client and on the server, transactions, metadata.
use strict;
use warnings;
use utf8;
use DBI;
use Data::Dumper;
$Data::Dumper::Indent = 0;
$Data::Dumper::Terse = 1;
binmode STDOUT, ':utf8';

my $failed = 0;

sub check {
    my ($name, $f) = @_;
    if (eval { $f->(); 1 }) { print "ok $name\n"; return }
    $failed = 1;
    my $why = $@;
    $why =~ s/\n(?=.)/\n    /g;
    print "FAIL $name\n    $why";
}

sub equal {
    my ($got, $want) = map { Dumper($_) } @_;
    die "got:  $got\nwant: $want\n" if $got ne $want;
}

my $dsn = "DBI:MariaDB:host=$ENV{CLIENTS_HOST};port=$ENV{CLIENTS_PORT}";
my $admin = DBI->connect($dsn, 'root', '', {RaiseError => 1, PrintError => 0});
$admin->do('DROP DATABASE IF EXISTS c_perl');
$admin->do('CREATE DATABASE c_perl');

for my $server (0, 1) {
    my $how = $server ? 'server' : 'client';
    my $d = DBI->connect("$dsn;database=c_perl;mariadb_server_prepare=$server", 'root', '', {RaiseError => 1, PrintError => 0});
    check("$how: insert, select, last_insert_id", sub {
        $d->do('DROP TABLE IF EXISTS t');
        $d->do('CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, s VARCHAR(50), n DECIMAL(10,2), b BLOB)');
        my $i = $d->prepare('INSERT INTO t (s, n, b) VALUES (?, ?, ?)');
        $i->bind_param(1, "ä'\\");
        $i->bind_param(2, '1.50');
        $i->bind_param(3, "\0\xff", DBI::SQL_BLOB);
        equal($i->execute, 1);
        equal($d->last_insert_id, 1);
        equal($d->selectall_arrayref('SELECT s, n, HEX(b) FROM t WHERE id = ?', undef, 1), [["ä'\\", '1.50', '00FF']]);
    });
    check("$how: transactions", sub {
        $d->begin_work;
        $d->do('DELETE FROM t');
        $d->rollback;
        equal($d->selectrow_array('SELECT COUNT(*) FROM t'), 1);
    });
    check("$how: errors", sub {
        eval { $d->do('INSERT INTO t (id) VALUES (?)', undef, 1) };
        equal([$d->err, $d->state], [1062, '23000']);
    });
    check("$how: tables, columns and keys are listed", sub {
        equal([map { $_->[2] } @{$d->table_info(undef, 'c_perl', '%', 'TABLE')->fetchall_arrayref}], ['t']);
        equal([map { $_->[3] } @{$d->column_info(undef, 'c_perl', 't', '%')->fetchall_arrayref}], ['id', 's', 'n', 'b']);
        equal([$d->primary_key(undef, 'c_perl', 't')], ['id']);
    });
}
exit $failed;
