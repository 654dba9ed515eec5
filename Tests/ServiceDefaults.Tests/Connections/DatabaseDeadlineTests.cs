using Npgsql;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.ServiceDefaults.Tests.Connections;

public sealed class DatabaseDeadlineTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Wait_Answered_IsTheAnswer() =>
        Assert.Equal(7, await DatabaseDeadline.WaitAsync(_ => Task.FromResult(7), TimeSpan.FromMinutes(1), TimeProvider.System, Cancellation));

    [Fact]
    public async Task Wait_NeverAnsweredAndDeafToItsToken_EndsAndTheTokenIsCancelled()
    {
        var never = new TaskCompletionSource<int>();
        var cancelled = new TaskCompletionSource();

        await Assert.ThrowsAsync<TimeoutException>(() => DatabaseDeadline.WaitAsync(
            token =>
            {
                token.Register(cancelled.SetResult);
                return never.Task;
            },
            TimeSpan.FromMilliseconds(1),
            TimeProvider.System,
            Cancellation));

        await cancelled.Task.WaitAsync(TimeSpan.FromMinutes(1), Cancellation);
        never.SetException(new InvalidOperationException("Nobody sees it."));
    }

    [Fact]
    public async Task Wait_Fails_IsItsFailure() => await Assert.ThrowsAsync<NpgsqlException>(() => DatabaseDeadline.WaitAsync<int>(
        _ => Task.FromException<int>(new NpgsqlException("No.")), TimeSpan.FromMinutes(1), TimeProvider.System, Cancellation));

    [Fact]
    public void Condition_OnlyAFullDisk_IsRememberedForAWhile()
    {
        var time = new ManualTime();
        var condition = new DatabaseCondition(time);

        condition.Note(new PostgresException("No.", "ERROR", "ERROR", "57P03"));
        Assert.False(condition.IsDiskFull);
        condition.Note(new PostgresException("No space left on device", "ERROR", "ERROR", "53100"));
        Assert.True(condition.IsDiskFull);
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.False(condition.IsDiskFull);
    }
}
