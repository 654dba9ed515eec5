using System.ClientModel;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;

namespace RagPlatform.Contracts.Tests;

public sealed class TransportFailureTests
{
    public static TheoryData<Exception, bool> Exceptions => new()
    {
        { new HttpRequestException("Connection refused."), true },
        { new HttpRequestException("Refused.", null, HttpStatusCode.BadRequest), false },
        { new IOException("Broken pipe."), true },
        { new SocketException((int)SocketError.ConnectionReset), true },
        { new TimeoutException(), true },
        { new AuthenticationException("TLS."), true },
        { new OperationCanceledException(), true },
        { new ClientResultException("No response."), true },

        // As SDKs wrap what happened in each of their tries.
        { new AggregateException(new HttpRequestException(), new ClientResultException("No response.")), true },
        { new AggregateException(new AggregateException(new IOException())), true },
        { new AggregateException(new HttpRequestException(), new InvalidOperationException()), false },
        { new AggregateException(), false },
        { new InvalidOperationException(), false },
    };

    [Theory]
    [MemberData(nameof(Exceptions))]
    public void Is_WhatHappenedOnTheWay_AndNothingElse(Exception exception, bool expected) =>
        Assert.Equal(expected, TransportFailure.Is(exception, CancellationToken.None));

    [Fact]
    public void Is_CancelledByTheCaller_IsNone()
    {
        var cancelled = new CancellationToken(canceled: true);

        Assert.False(TransportFailure.Is(new OperationCanceledException(), cancelled));
        Assert.False(TransportFailure.Is(new AggregateException(new OperationCanceledException()), cancelled));
    }
}
