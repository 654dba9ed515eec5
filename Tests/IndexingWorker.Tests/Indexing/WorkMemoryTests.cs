using Microsoft.Extensions.Options;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Tests.Indexing;

public sealed class WorkMemoryTests
{
    private const int Mebibyte = 1024 * 1024;

    private readonly WorkMemory _memory = new(Options.Create(new IndexingOptions { WorkMemory = 16 }));

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TryTake_WhatDoesNotFit_WaitsAndSmallOnesPassItBy()
    {
        var (first, second, small) = (Task(1_500_000), Task(1_500_000), Task(1000));
        Assert.True(await _memory.TryTakeAsync(first, Cancelled));

        var waiting = _memory.TryTakeAsync(second, Cancelled);
        Assert.True(await _memory.TryTakeAsync(small, Cancelled));
        Assert.False(waiting.IsCompleted);
        Assert.InRange(_memory.Used, 0, 16 * Mebibyte);

        _memory.Free(first);
        _memory.Free(first);
        Assert.True(await waiting);
        _memory.Free(second);
        _memory.Free(small);
        Assert.Equal(0, _memory.Used);
    }

    [Fact]
    public async Task TryTake_LargerThanAll_BeginsWhenItIsAlone()
    {
        var (small, huge) = (Task(1000), Task(10_000_000));
        await _memory.TryTakeAsync(small, Cancelled);
        var waiting = _memory.TryTakeAsync(huge, Cancelled);
        Assert.False(waiting.IsCompleted);

        _memory.Free(small);

        Assert.True(await waiting);
    }

    [Fact]
    public async Task TryTake_PassedByTooOften_IsNext()
    {
        var (first, huge) = (Task(1000), Task(10_000_000));
        await _memory.TryTakeAsync(first, Cancelled);
        var waiting = _memory.TryTakeAsync(huge, Cancelled);
        var passed = Enumerable.Range(0, 100).Select(_ => Task(10)).ToList();
        foreach (var task in passed)
        {
            Assert.True(await _memory.TryTakeAsync(task, Cancelled));
        }

        var late = _memory.TryTakeAsync(Task(10), Cancelled);
        Assert.False(late.IsCompleted);
        foreach (var task in passed.Append(first))
        {
            _memory.Free(task);
        }

        Assert.True(await waiting);
        _memory.Free(huge);
        Assert.True(await late);
    }

    [Fact]
    public async Task TryTake_EnoughWait_IsRefusedAndTheUrgentIsFirst()
    {
        var all = Task(10_000_000);
        await _memory.TryTakeAsync(all, Cancelled);
        var waiting = Enumerable.Range(0, 15).Select(_ => _memory.TryTakeAsync(Task(1_000_000), Cancelled)).ToList();
        var urgent = _memory.TryTakeAsync(Task(2_000_000, priority: 2), Cancelled);

        Assert.False(await _memory.TryTakeAsync(Task(1_000_000), Cancelled));

        _memory.Free(all);
        Assert.True(await urgent);
        Assert.All(waiting, task => Assert.False(task.IsCompleted));
    }

    [Fact]
    public async Task TryTake_Cancelled_LeavesNothingBehind()
    {
        var (all, waits) = (Task(10_000_000), Task(1000));
        await _memory.TryTakeAsync(all, Cancelled);
        using var cancel = new CancellationTokenSource();
        var waiting = _memory.TryTakeAsync(waits, cancel.Token);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        _memory.Free(all);
        Assert.Equal(0, _memory.Used);
    }

    private static IndexTask Task(int length, short priority = 1) => new(1, "d", 1, 1, priority, 0, 1, DateTimeOffset.UnixEpoch, length);
}
