using System.Net.Sockets;
using Npgsql;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.ServiceDefaults.Tests.Connections;

public sealed class DatabaseFailureTests
{
    public static TheoryData<Exception, DatabaseTrouble> Exceptions => new()
    {
        { new NpgsqlException("Failed to connect.", new SocketException((int)SocketError.ConnectionRefused)), DatabaseTrouble.Away },
        { new NpgsqlException("The pool is exhausted.", new TimeoutException()), DatabaseTrouble.Away },
        { new NpgsqlException("Broken.", new EndOfStreamException()), DatabaseTrouble.Away },
        { new TimeoutException(), DatabaseTrouble.Away },
        { new NpgsqlException("A message that is not expected."), DatabaseTrouble.None },

        // As EF Core and tasks wrap it.
        { new InvalidOperationException("Likely transient.", new NpgsqlException("", new IOException())), DatabaseTrouble.Away },
        { new AggregateException(new NpgsqlException("", new IOException())), DatabaseTrouble.Away },

        // Somebody else's time.
        { new InvalidOperationException("", new TimeoutException()), DatabaseTrouble.None },
        { new InvalidOperationException(), DatabaseTrouble.None },
    };

    [Theory]
    [MemberData(nameof(Exceptions))]
    public void Classify_WhatDriversThrow(Exception exception, DatabaseTrouble expected) =>
        Assert.Equal(expected, DatabaseFailure.Classify(exception));

    [Theory]
    [InlineData("08P01", DatabaseTrouble.Away)] // PgBouncer: server login failed, query_wait_timeout
    [InlineData("08006", DatabaseTrouble.Away)]
    [InlineData("08004", DatabaseTrouble.Away)]
    [InlineData("53300", DatabaseTrouble.Away)] // too many connections
    [InlineData("53200", DatabaseTrouble.Away)]
    [InlineData("57P01", DatabaseTrouble.Away)] // an operator stops it
    [InlineData("57P02", DatabaseTrouble.Away)]
    [InlineData("57P03", DatabaseTrouble.Away)] // starting, recovering
    [InlineData("57P05", DatabaseTrouble.Away)]
    [InlineData("58000", DatabaseTrouble.Away)]
    [InlineData("58030", DatabaseTrouble.Away)]
    [InlineData("25006", DatabaseTrouble.Away)] // a standby that is taking over
    [InlineData("40001", DatabaseTrouble.Away)]
    [InlineData("40P01", DatabaseTrouble.Away)]
    [InlineData("53100", DatabaseTrouble.DiskFull)]
    [InlineData("57014", DatabaseTrouble.TooSlow)]
    [InlineData("23505", DatabaseTrouble.None)]
    [InlineData("22021", DatabaseTrouble.None)]
    [InlineData("42P01", DatabaseTrouble.None)]
    [InlineData("28P01", DatabaseTrouble.None)]
    public void Classify_SqlState(string state, DatabaseTrouble expected)
    {
        var refused = new PostgresException("No.", "ERROR", "ERROR", state);

        Assert.Equal(expected, DatabaseFailure.Classify(refused));
        Assert.Equal(expected is DatabaseTrouble.Away or DatabaseTrouble.DiskFull, DatabaseFailure.IsTransient(refused));
    }
}
