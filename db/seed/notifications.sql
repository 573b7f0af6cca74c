-- SPDX-License-Identifier: MIT
-- The notifications of the seeded orders to look at from the first minute. Runs once, in the transaction that makes the database.
-- Times are relative to the day of that start, before its midnight.

INSERT INTO notifications (id, event_id, user_id, order_id, channel, message, created_at)
SELECT column1, column2, column3, column1, 'email', column4, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', 'start of day', column5, column6)
FROM (VALUES
    (1, 'ab2cd31e-e315-4288-a2c3-3a4fb774eb52', 1,
     'Order 1 received: Earl Grey tea, 9.90', '-8 days', '+09:37:36.212'),
    (2, '5affb229-7631-4992-b0ce-583505c6af07', 2,
     'Order 2 received: 测试商品, 99.99', '-8 days', '+13:06:35.078'),
    (3, '0f17a300-7e62-4a0a-9df9-fd789c653938', 3,
     'Order 3 received: Fahrrad, 28 Zoll, 649.00', '-7 days', '+15:43:34.452'),
    (4, 'bd0561e6-211c-40cf-8995-2399c4aaeac1', 1,
     'Order 4 received: Notebook A5, 4.50', '-7 days', '+17:03:39.226'),
    (5, 'df1582b0-eab4-47d2-a415-479c65dc9f50', 4,
     'Order 5 received: Самовар, 129.50', '-6 days', '+15:23:19.278'),
    (6, '66d22876-72fd-4202-aa96-fb1a14a0f9e7', 5,
     'Order 6 received: Aceite de oliva 1 l, 13.90', '-6 days', '+20:11:44.275'),
    (7, 'd1bc52d9-230d-477e-a225-71594720771f', 6,
     'Order 7 received: 抹茶セット, 32.80', '-6 days', '+20:20:29.621'),
    (8, 'b4d66a3a-4746-4a4d-8cdb-305fdd2e1609', 2,
     'Order 8 received: Chess clock, 59.95', '-5 days', '+09:36:19.559'),
    (9, 'e25a7605-aec6-4024-9bd8-6d40fc891b4a', 7,
     'Order 9 received: Crème brûlée torch, 24.99', '-5 days', '+15:56:21.480'),
    (10, '153e7c2a-26a2-40bd-bb12-87fff52ddf5d', 8,
     'Order 10 received: قهوة عربية 500g, 18.75', '-4 days', '+10:59:31.445'),
    (11, '3bbbe9ea-a894-4c89-bb61-867626bb7dbd', 9,
     'Order 11 received: Talking drum, 210.00', '-4 days', '+12:38:04.129'),
    (12, '2eae05cf-96d0-4c5f-94c2-8c2e7c26847f', 10,
     'Order 12 received: Cà phê Buôn Ma Thuột, 12.50', '-4 days', '+16:26:10.367'),
    (13, '6b4013ef-254b-4c4e-810c-4759482c9cbc', 1,
     'Order 13 received: Analytical engine, model kit, 1599.00', '-3 days', '+08:42:04.597'),
    (14, '519088f5-90fb-4d11-9c1c-aaf75e8766ed', 3,
     'Order 14 received: Kaffeemühle, 79.50', '-3 days', '+13:44:22.521'),
    (15, 'f341e07a-83f7-4f16-9bf4-a8b2b0c4312d', 11,
     'Order 15 received: Tin whistle in D, 14.95', '-3 days', '+17:50:56.349'),
    (16, '0dd27a65-bd62-4881-ad1b-72dba7abe1c2', 12,
     'Order 16 received: Ελιές Καλαμών 2 kg, 18.20', '-2 days', '+17:51:29.093'),
    (17, 'f3aed0b6-c7ac-4491-9ef8-8334e647cb8f', 5,
     'Order 17 received: Guitarra clásica, 349.00', '-2 days', '+21:05:17.511'),
    (18, '64e50cad-6623-4a04-a5e7-e4236472f1a3', 2,
     'Order 18 received: Desk lamp ☀, 42.10', '-1 days', '+18:52:28.303'),
    (19, '0fef7928-6683-4886-a260-cd0b7b45145c', 6,
     'Order 19 received: 折り紙 200枚, 8.80', '-1 days', '+19:42:04.077'),
    (20, '70ccec31-3571-410a-bc13-2d0d113db17d', 10,
     'Order 20 received: Nón lá, 12.00', '-1 days', '+19:44:19.605')
);
